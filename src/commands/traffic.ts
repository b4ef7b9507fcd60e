import { Command, InvalidArgumentError } from 'commander'
import type { TrafficOptions } from '../traffic/run.ts'

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
      // Loaded only when it is wanted: the ledger starts through here too, and is waited for.
      const { isMistake, runTraffic } = await import('../traffic/run.ts')
      try {
        await runTraffic(options)
      } catch (error) {
        if (isMistake(error)) command.error(`error: ${error.message}`)
        throw error
      }
    })
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
