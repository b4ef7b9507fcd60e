import { Command, Option } from 'commander'
import { oneLine } from './mistake.ts'

/** `ledger rebuild`: has a running ledger build projections anew, and shows how far that is. */
export function rebuildCommand(): Command {
  return new Command('rebuild')
    .description('build projections of a running ledger anew, while they are read as they are')
    .argument('[name...]', 'which ones (default: all)')
    .option('--url <url>', 'where the ledger is', 'http://127.0.0.1:3000')
    .addOption(
      new Option('--key <key>', 'an API key that may operate').env('LEDGER_KEY').makeOptionMandatory(),
    )
    .addHelpText(
      'after',
      '\nEnds with 0 when they are read. Ended before, it leaves the ledger to go on with it.',
    )
    .action(async (names: string[], options: { url: string; key: string }, command: Command) => {
      const { runRebuild } = await import('../rebuilding/run.ts')
      try {
        for (const line of await runRebuild(names, options)) console.log(line)
      } catch (error) {
        const line = oneLine(error)
        if (line !== null) command.error(`error: ${line}`)
        throw error
      }
    })
}
