/**
 * Runs as a process of its own: `node bench/load.ts <port> <connections> <seconds> <deliveries> <token> [story|seen|new]`.
 * Lets wrk keep each connection busy with the next delivery of a story, or a message of a subscriber who was seen before or
 * is new; wrk, because a client in JavaScript costs more than the server that it measures. Prints one line of JSON: what was
 * answered in the measured time, after a warm-up that is as long for everyone. Neither sends a delivery of the other.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { story } from '../src/traffic/story.ts'
import { messageBody } from './message-body.ts'

const run = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'load.lua')

/** A server that runs for months is measured as it runs then: this much code takes seconds until it is compiled well. */
const WARM_UP = { seconds: 10, deliveries: 200_000 }

const [port = '', connections = '', seconds = '', most = '', token = '', who = 'story'] =
  process.argv.slice(2)
const deliveries = Number(most)
const plan = () =>
  story({
    seed: 'bench',
    shops: [{ id: 'shop_1234567abcd', signingToken: token }],
    subscribers: 20_000,
    start: '2026-01-05T14:00:00Z',
    deliveries: WARM_UP.deliveries + deliveries,
  })
/** A message each, of one of so many subscribers. */
function* messages(subscribers: number) {
  const own = process.pid
  for (let number = 0; number < WARM_UP.deliveries + deliveries; number++)
    yield { body: messageBody(`${own}-${number}`, `s_${own}_${number % subscribers}`) }
}
const planned = who === 'story' ? plan() : messages(who === 'seen' ? 2_000 : Number.POSITIVE_INFINITY)

/** Writes as many of the planned deliveries, each after its length, as the script reads them. */
async function write(path: string, count: number): Promise<void> {
  const file = createWriteStream(path)
  for (let written = 0; written < count; written++) {
    const { value } = planned.next()
    if (value === undefined) break
    const request =
      `POST /webhooks/postscript HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `Postscript-Signature: ${token}\r\nContent-Length: ${Buffer.byteLength(value.body)}\r\n\r\n${value.body}`
    const length = String(Buffer.byteLength(request)).padStart(8, '0')
    if (!file.write(length + request)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'close')
}

/** Loads for so many seconds; what wrk's script made of it. */
async function load(requests: string, duration: number): Promise<string> {
  const args = [
    '-t1',
    '--timeout',
    '10s',
    `-c${connections}`,
    `-d${duration}s`,
    '-s',
    SCRIPT,
    `http://127.0.0.1:${port}`,
  ]
  const { stdout } = await run('wrk', args, { env: { ...process.env, REQUESTS: requests } })
  return /^RESULT (.*)$/m.exec(stdout)?.[1] ?? ''
}

const folder = mkdtempSync(join(tmpdir(), 'bench-load-'))
try {
  const [first, second] = [join(folder, 'warm-up'), join(folder, 'measured')]
  await write(first, WARM_UP.deliveries)
  await write(second, deliveries)
  await load(first, WARM_UP.seconds)
  console.log(await load(second, Number(seconds)))
} finally {
  rmSync(folder, { recursive: true })
}
