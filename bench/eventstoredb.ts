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

async function bareClient(who: string): Promise<number> {
  const script = join(import.meta.dirname, 'esdb-client.ts')
  const { stdout } = await run(process.execPath, [script, url, String(CONNECTIONS), String(seconds), who])
  return Rate.parse(JSON.parse(stdout)).perSecond
}

const middle = (rates: readonly number[]) =>
  rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0

console.log(`${cpus().length} cores, ${CONNECTIONS} at once, ${rounds} rounds of ${seconds} s, medians`)
for (const who of ['seen', 'new'] as const) {
  const bare: number[] = []
  const ledger: Result[] = []
  const route: Result[] = []
  for (let round = 1; round <= rounds; round++) {
    bare.push(await bareClient(who))
    route.push(await measureServer(['bench/contenders.ts', 'eventstoredb', url], seconds, CONNECTIONS, who))
    ledger.push(await measureServer(['bin/ledger.js', 'start'], seconds, CONNECTIONS, who, url))
    console.error(`round ${round} of ${rounds}: ${who}`)
  }
  const rate = (results: readonly Result[]) => median(results, ({ perSecond }) => perSecond)
  console.log(`\nsubscribers ${who === 'seen' ? 'seen before' : 'that are new'}`)
  console.log(`  bare client                  ${middle(bare).toFixed(0)}/s`)
  console.log(`  Fastify, bare client         ${rate(route).toFixed(0)}/s`)
  console.log(`  ledger                       ${rate(ledger).toFixed(0)}/s`)
  console.log(`  ledger / bare client         ${(rate(ledger) / middle(bare)).toFixed(2)}   (wanted: 0.9)`)
  console.log(`  ledger / Fastify, client     ${(rate(ledger) / rate(route)).toFixed(2)}`)
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
