/**
 * What the ledger costs over an EventStoreDB, as ratios within one run: ingest against the bare client on the same path
 * and server, and catching up against a bare subscription that parses and inserts the same rows. The server should be one
 * for throwing away, since nothing is deleted from it.
 *
 * `BENCH_EVENTSTOREDB_URL=esdb://… npm run bench:eventstoredb -- [rounds] [seconds]`; `npm run bench` runs it too, where that is set.
 */
import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import { measureServer, median, type Result } from './contest.ts'

const run = promisify(execFile)
const url = process.env['BENCH_EVENTSTOREDB_URL'] ?? ''
if (url === '') throw new Error('BENCH_EVENTSTOREDB_URL must name a server for throwing away')
const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 8)
const CONNECTIONS = 256

const Rate = z.object({ perSecond: z.number().positive() })
const CatchUp = z.object({ bare: z.number().positive(), ledger: z.number().positive() })

/** How the client appends: each a call of its own, or all on one. */
const PATHS = ['calls', 'batch'] as const
type Path = (typeof PATHS)[number]

async function bareClient(who: string, path: Path): Promise<number> {
  const script = join(import.meta.dirname, 'esdb-client.ts')
  const args = [script, url, String(CONNECTIONS), String(seconds), who, path]
  const { stdout } = await run(process.execPath, args)
  return Rate.parse(JSON.parse(stdout)).perSecond
}

const middle = (rates: readonly number[]) =>
  rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0

console.log(`${cpus().length} cores, ${CONNECTIONS} at once, ${rounds} rounds of ${seconds} s, medians`)
for (const who of ['seen', 'new'] as const) {
  const alone: Record<Path, number[]> = { calls: [], batch: [] }
  const behindRoute: Record<Path, Result[]> = { calls: [], batch: [] }
  const ledger: Result[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const path of PATHS) {
      alone[path].push(await bareClient(who, path))
      const route = ['bench/contenders.ts', `eventstoredb-${path}`, url]
      behindRoute[path].push(await measureServer(route, seconds, CONNECTIONS, who))
    }
    ledger.push(await measureServer(['bin/ledger.js', 'start'], seconds, CONNECTIONS, who, url))
    console.error(`round ${round} of ${rounds}: ${who}`)
  }
  const rate = (results: readonly Result[]) => median(results, ({ perSecond }) => perSecond)
  console.log(`\nsubscribers ${who === 'seen' ? 'seen before' : 'that are new'}`)
  const line = (name: string, perSecond: number) =>
    console.log(
      `  ${name.padEnd(52)}${perSecond.toFixed(0).padStart(6)}/s   ledger ${(rate(ledger) / perSecond).toFixed(2)}`,
    )
  line('bare client, a call an append', middle(alone.calls))
  line('bare client, all on its batch call', middle(alone.batch))
  line('bare client behind a route, a call an append', rate(behindRoute.calls))
  line('bare client behind a route, all on its batch call', rate(behindRoute.batch))
  line('ledger (wanted: 0.9)', rate(ledger))
}

const { stdout } = await run(process.execPath, [
  join(import.meta.dirname, 'esdb-catch-up.ts'),
  url,
  String(rounds),
])
const { bare, ledger } = CatchUp.parse(JSON.parse(stdout))
console.log(`\ncatching up`)
console.log(`  bare subscription            ${bare.toFixed(0)}/s`)
console.log(`  ledger                       ${ledger.toFixed(0)}/s`)
console.log(`  ledger / bare subscription   ${(ledger / bare).toFixed(2)}   (wanted: 0.9)`)
