import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import * as z from 'zod'

const run = promisify(execFile)
const CONNECTIONS = 64
const FOREIGN_TOKEN = 'no-contender-looks-at-it'

if (spawnSync('wrk', ['-v']).error !== undefined) {
  console.error('the load comes from wrk, which is not installed (Debian: apt-get install wrk)')
  process.exit(1)
}

const Result = z.object({
  perSecond: z.number().positive(),
  refused: z.literal(0),
  p50: z.number(),
  p99: z.number(),
})

/** Of one round: deliveries answered with 200 in a second, latencies in milliseconds, and how long the start took. */
export type Result = z.infer<typeof Result> & { readonly readyMs: number }

/** A server to load: what `node` is to run. Each round gets a new empty folder as `LEDGER_DATA`. */
export interface Contender {
  readonly name: string
  readonly args: readonly string[]
}

/** Lets the contenders take turns, so that a noisy neighbour hits them alike, and gives each one's rounds. */
export async function contest(
  contenders: readonly Contender[],
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<ReadonlyMap<string, readonly Result[]>> {
  const results = new Map<string, Result[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++)
    for (const { name, args } of contenders) {
      const result = await measureServer(args, seconds)
      results.get(name)?.push(result)
      console.error(`round ${round} of ${rounds}: ${name}, ${result.perSecond.toFixed(0)}/s`)
    }
  return results
}

/** The median of what `of` takes from each round. */
export function median(results: readonly Result[], of: (result: Result) => number): number {
  return results.map(of).toSorted((a, b) => a - b)[Math.floor(results.length / 2)] ?? Number.NaN
}

export function describe(name: string, results: readonly Result[]): string {
  const rate = median(results, ({ perSecond }) => perSecond).toFixed(0)
  const p50 = median(results, (result) => result.p50).toFixed(1)
  const p99 = median(results, (result) => result.p99).toFixed(1)
  return `${name.padEnd(34)}${rate.padStart(7)}/s   p50 ${p50.padStart(5)} ms   p99 ${p99.padStart(5)} ms`
}

/** Starts a server on a new empty folder, with the log in the EventStoreDB at `url` where one is given; loads it, and stops it. */
export async function measureServer(
  args: readonly string[],
  seconds: number,
  connections = CONNECTIONS,
  who = 'story',
  url = '',
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const begun = performance.now()
  const { EVENTSTOREDB_URL: _, ...own } = process.env
  const log = url === '' ? {} : { EVENTSTOREDB_URL: url }
  const env = { ...own, ...log, LEDGER_DATA: folder, PORT: '0', LOG_LEVEL: 'warn' }
  const server = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const { port, token } = await listening(server)
    const readyMs = performance.now() - begun
    await built(port)
    const load = [
      join(import.meta.dirname, 'load.ts'),
      port,
      connections,
      seconds,
      seconds * 60_000,
      token,
      who,
    ]
    const { stdout } = await run(process.execPath, load.map(String))
    return { ...Result.parse(JSON.parse(stdout)), readyMs }
  } finally {
    await ended(server)
    rmSync(folder, { recursive: true })
  }
}

const Readiness = z.object({ problems: z.array(z.string()).optional() })

// A ledger on a server that was used before builds its projections from what is there: that is no part of taking deliveries.
async function built(port: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
    const body: unknown = await answer.json()
    if (answer.status === 404 || (Readiness.parse(body).problems ?? []).length === 0) return
    await delay(100)
  }
}

// A contender prints `listening <port>`; the ledger its first start, whose last line has the address.
function listening(server: ChildProcess): Promise<{ port: string; token: string }> {
  return new Promise((resolve, reject) => {
    let printed = ''
    server.once('exit', (code) => reject(new Error(`a contender ended with ${code}`)))
    server.stdout?.on('data', (chunk) => {
      printed += chunk
      const port = /listening (\d+)|127\.0\.0\.1:(\d+)\/docs/.exec(printed)
      const token = /signing token {2}(\S+)/.exec(printed)?.[1] ?? FOREIGN_TOKEN
      if (port !== null) resolve({ port: port[1] ?? port[2] ?? '', token })
    })
  })
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const exited = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGTERM')
  await exited
}
