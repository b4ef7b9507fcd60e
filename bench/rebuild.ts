/**
 * What a rebuild costs, as ratios within one run: against a bare loop that reads the same log, parses and inserts the same
 * rows; two projections in one pass against one; and what readers notice of it.
 *
 * `npm run bench:rebuild -- [events] [rounds]`; with `BENCH_LOG=folder`, the log is made there once and kept.
 */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'

const run = promisify(execFile)
const wanted = Number(process.argv[2] ?? 200_000)
const rounds = Number(process.argv[3] ?? 3)
const kept = process.env['BENCH_LOG']

const Made = z.object({ folder: z.string(), stored: z.int(), apiKey: z.string() })
const Built = z.object({ events: z.int(), seconds: z.number(), residentMb: z.number() })
const Standing = z.object({ state: z.string(), rebuild: z.unknown() })

const folder = kept ?? mkdtempSync(join(tmpdir(), 'bench-'))
try {
  const { apiKey, stored } = await madeLog()
  console.log(`${cpus().length} cores, ${stored} events, ${rounds} rounds, medians`)
  await buildRatios(stored)
  await readLatencies(apiKey)
} finally {
  if (kept === undefined) rmSync(folder, { recursive: true })
}

async function madeLog(): Promise<z.infer<typeof Made>> {
  const note = join(folder, 'made.json')
  if (!existsSync(note)) {
    const script = join(import.meta.dirname, 'make-log.ts')
    const { stdout } = await run(process.execPath, [script, folder, String(wanted)], { maxBuffer: 2 ** 24 })
    writeFileSync(note, stdout)
  }
  return Made.parse(JSON.parse(readFileSync(note, 'utf8')))
}

async function buildRatios(events: number): Promise<void> {
  const runs = [
    ['bare', 'message-timeline'],
    ['ledger', 'message-timeline'],
    ['bare', 'subscriber-status'],
    ['ledger', 'subscriber-status'],
    ['ledger', 'message-timeline,subscriber-status'],
  ] as const
  const took = new Map<string, z.infer<typeof Built>[]>()
  for (let round = 1; round <= rounds; round++)
    for (const [who, names] of runs) {
      const script = join(import.meta.dirname, 'rebuild-loop.ts')
      const { stdout } = await run(process.execPath, [script, join(folder, 'log.sqlite'), who, names])
      const key = `${who} ${names}`
      took.set(key, [...(took.get(key) ?? []), Built.parse(JSON.parse(stdout))])
      console.error(`round ${round} of ${rounds}: ${key}`)
    }
  const seconds = (key: string) => middle((took.get(key) ?? []).map((one) => one.seconds))
  for (const [key, results] of took) {
    const resident = Math.max(...results.map(({ residentMb }) => residentMb))
    console.log(
      `${key.padEnd(44)}${(events / seconds(key)).toFixed(0).padStart(8)}/s   ${resident.toFixed(0)} MB resident`,
    )
  }
  for (const name of ['message-timeline', 'subscriber-status'])
    console.log(
      `${name}, ledger / bare loop`.padEnd(44) +
        `${(seconds(`bare ${name}`) / seconds(`ledger ${name}`)).toFixed(2).padStart(8)}   (wanted: 0.8)`,
    )
  const one = (seconds('ledger message-timeline') + seconds('ledger subscriber-status')) / 2
  const two = seconds('ledger message-timeline,subscriber-status')
  console.log(
    `${'two in one pass / one'.padEnd(44)}${(two / one).toFixed(2).padStart(8)}   (wanted: below 1.8)`,
  )
}

async function readLatencies(apiKey: string): Promise<void> {
  const env = { ...process.env, LEDGER_DATA: folder, PORT: '0', LOG_LEVEL: 'info' }
  const server = spawn(process.execPath, ['bin/ledger.js', 'start'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  try {
    const url = await new Promise<string>((resolve) => {
      let printed = ''
      server.stdout.on('data', (chunk) => {
        printed += chunk
        const [, found] = /Server listening at (http:[^"]+)"/.exec(printed) ?? []
        if (found !== undefined) resolve(found)
      })
    })
    const ask = (method: string, path: string) => asked(agent, method, `${url}${path}`, apiKey)
    const standing = async () =>
      Standing.parse(JSON.parse((await ask('GET', '/v1/projections/message-timeline')).body))
    while ((await standing()).state !== 'live') await new Promise((resolve) => setTimeout(resolve, 200))

    /** The 99th percentile of reads, four at a time, until `over`. */
    const percentile = async (over: () => Promise<boolean>): Promise<number> => {
      const latencies: number[] = []
      let ended = false
      const lanes = Array.from({ length: 4 }, async () => {
        while (!ended) {
          const begun = performance.now()
          await ask('GET', '/v1/shops/shop_1234567abcd/subscribers?limit=50')
          latencies.push(performance.now() - begun)
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      })
      while (!(await over())) await new Promise((resolve) => setTimeout(resolve, 100))
      ended = true
      await Promise.all(lanes)
      return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? 0
    }
    const forSeconds = (seconds: number) => {
      const end = performance.now() + seconds * 1000
      return async () => performance.now() > end
    }
    await percentile(forSeconds(3))
    const quiet = await percentile(forSeconds(8))
    await ask('POST', '/v1/projections/message-timeline/rebuild')
    const during = await percentile(async () => (await standing()).rebuild === null)
    console.log(`p99 of reads, no rebuild ${quiet.toFixed(1)} ms, during one ${during.toFixed(1)} ms`)
    console.log(
      `${'during / without'.padEnd(44)}${(during / quiet).toFixed(2).padStart(8)}   (wanted: at most 2)`,
    )
  } finally {
    agent.destroy()
    const exited = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGTERM')
    await exited
  }
}

function asked(agent: Agent, method: string, url: string, key: string): Promise<{ body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(
      url,
      { method, agent, headers: { authorization: `Bearer ${key}` } },
      (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (part) => {
          body += part
        })
        response.on('end', () => resolve({ body }))
      },
    )
    asking.on('error', reject)
    asking.end()
  })
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
