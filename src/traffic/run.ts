import { ConfigMistake, readConfig, readSettings } from '../config.ts'
import { unreachable } from './post.ts'
import { finalReport, progressLine, settledIn } from './report.ts'
import { type Sending, send } from './send.ts'
import { type StoryOptions, type StoryShop, story } from './story.ts'

/** As the command line gives them. */
export interface TrafficOptions {
  readonly url: string
  readonly config?: string
  readonly seed: string
  readonly start: string
  readonly subscribers: number
  readonly deliveries: number
  readonly rate: number | 'max'
  readonly connections: number
  readonly shops?: number
}

/** Something the person who typed the command can put right; said in one line. */
class Refusal extends Error {}

/** Tells the story and sends it, with progress on stderr and a report on stdout. Rejects with what `isMistake` knows. */
export async function runTraffic(options: TrafficOptions): Promise<void> {
  const shops = await takingPart(options)
  const plan = tell({
    seed: options.seed,
    start: options.start,
    subscribers: options.subscribers,
    deliveries: options.deliveries,
    shops,
  })
  const trouble = await unreachable(options.url)
  if (trouble !== null)
    throw new Refusal(`no ledger can be reached at ${new URL(options.url).origin} (${trouble})`)

  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  // Once: a second Ctrl-C ends it the hard way.
  process.once('SIGINT', stop)
  const sending = send(plan, {
    url: options.url,
    connections: options.connections,
    signal: interrupt.signal,
    ...(options.rate === 'max' ? {} : { rate: options.rate }),
  })
  const quiet = showProgress(sending, options.deliveries)
  try {
    const summary = await sending.finished
    quiet()
    console.log(finalReport(summary))
    if (summary.failed > 0) process.exitCode = 1
  } finally {
    quiet()
    process.removeListener('SIGINT', stop)
  }
}

async function takingPart(options: TrafficOptions): Promise<StoryShop[]> {
  const path = options.config ?? readSettings(process.env).configPath
  const { shops: configured } = await readConfig(path)
  const shops = configured.flatMap(({ id, signingTokens: [signingToken] }) =>
    signingToken === undefined ? [] : [{ id, signingToken }],
  )
  const wanted = options.shops ?? shops.length
  if (wanted > shops.length) throw new Refusal(`--shops ${wanted}: config ${path} has ${shops.length}`)
  return shops.slice(0, wanted)
}

function tell(options: StoryOptions) {
  try {
    return story(options)
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(error.message)
    throw error
  }
}

/** A line on stderr, rewritten in place where it is a terminal. Returns what ends it. */
function showProgress(sending: Sending, planned: number): () => void {
  const terminal = process.stderr.isTTY
  let before = sending.summary()
  const show = () => {
    const summary = sending.summary()
    const seconds = (summary.elapsedMs - before.elapsedMs) / 1000
    const line = progressLine(summary, planned, (settledIn(summary) - settledIn(before)) / seconds)
    before = summary
    // A line that wraps could not be rewritten in place.
    const fitting = line.slice(0, (process.stderr.columns || 80) - 1)
    process.stderr.write(terminal ? `\r\u001b[2K${fitting}` : `${line}\n`)
  }
  const timer = setInterval(show, terminal ? 250 : 1000)
  let shown = true
  return () => {
    if (!shown) return
    shown = false
    clearInterval(timer)
    if (terminal) process.stderr.write('\r\u001b[2K')
  }
}

/** Whether the person who typed the command can put it right. */
export function isMistake(error: unknown): error is Error {
  return error instanceof ConfigMistake || error instanceof Refusal
}
