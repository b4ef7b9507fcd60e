import { Command, Option } from 'commander'
import { oneLine } from './mistake.ts'

/** `ledger copy`: moves the embedded log to an EventStoreDB. */
export function copyCommand(): Command {
  return new Command('copy')
    .description('move the embedded log to an EventStoreDB: copy it, compare both, mark it as moved')
    .addOption(
      new Option('--to <url>', 'the EventStoreDB, esdb://…: empty, or with what an earlier run has copied')
        .env('EVENTSTOREDB_URL')
        .makeOptionMandatory(),
    )
    .action(async (options: { to: string }, command: Command) => {
      const { runCopy } = await import('../copying/run.ts')
      try {
        console.log(await runCopy(options, process.env))
      } catch (error) {
        const line = oneLine(error)
        if (line !== null) command.error(`error: ${line}`)
        throw error
      }
    })
}
