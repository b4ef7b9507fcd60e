import { Command, InvalidArgumentError } from 'commander'
import { ConfigMistake, readConfig, readSettings } from '../config.ts'
import { unreachable } from '../traffic/post.ts'
import { finalReport, progressLine, settledIn } from '../traffic/report.ts'
import { type Sending, send } from '../traffic/send.ts'
import { type StoryOptions, type StoryShop, story } from '../traffic/story.ts'

interface TrafficOptions {
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

/** `ledger traffic`: a made-up story of some shops and their subscribers, sent as Postscript would send it. */
export function trafficCommand(): Command {
  return new Command('traffic')
    .description('send made-up webhooks that look real to a running ledger')
    .option('--url <url>', 'where the ledger is', webAddress, 'http://127.0.0.1:3000')
    .option('--config <file>', "the ledger's config, for shops and tokens (default: where the ledger looks)")
    .option('--seed <text>', 'the same seed tells the same story, which a ledger keeps once', '1')
    .option('--start <instant>', 'when the story begins, ISO 8601', '2026-01-05T14:00:00Z')
    .option('--subscribers <count>', 'how many people there are in it', wholeNumber(10_000_000), 1000)
    .option('--deliveries <count>', 'how many deliveries to send', wholeNumber(1_000_000_000), 10_000)
    .option('--rate <per second>', 'deliveries per second, or max', pace, 'max')
    .option('--connections <count>', 'deliveries under way at once', wholeNumber(10_000), 64)
    .option(
      '--shops <count>',
      "how many of the config's shops take part (default: all)",
      wholeNumber(100_000),
    )
    .action(async (options: TrafficOptions, command: Command) => {
      try {
        await run(options)
      } catch (error) {
        if (error instanceof ConfigMistake || error instanceof Refusal)
          command.error(`error: ${error.message}`)
        throw error
      }
    })
}

/** Something the person who typed the command can put right; said in one line. */
class Refusal extends Error {}

async function run(options: TrafficOptions): Promise<void> {
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

function wholeNumber(most: number) {
  return (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : 0
    if (value < 1 || value > most) throw new InvalidArgumentError(`A whole number from 1 to ${most}, please.`)
    return value
  }
}

function pace(text: string): number | 'max' {
  if (text === 'max') return 'max'
  const value = Number(text)
  if (!(value > 0) || value > 1_000_000) throw new InvalidArgumentError('A number above 0, or max, please.')
  return value
}

function webAddress(text: string): string {
  const protocol = URL.parse(text)?.protocol
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new InvalidArgumentError('An http:// or https:// address, please.')
  }
  return text
}
