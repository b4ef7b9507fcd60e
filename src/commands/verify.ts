import { Command } from 'commander'
import { oneLine } from './mistake.ts'

const NOT_WHOLE = 1
const NOT_READ = 2

/** `ledger verify`: walks the chain of every stream and names the first event that does not fit. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('walk the chain of every stream and name the first event that does not fit')
    .addHelpText(
      'after',
      '\nExit code: 0 every chain is whole, 1 an event does not fit, 2 the log could not be read to its end.',
    )
    .action(async (_options, command: Command) => {
      const { runVerify, verdict } = await import('../verifying/run.ts')
      try {
        const walk = await runVerify(process.env)
        console.log(verdict(walk))
        if (walk.misfit !== null) process.exitCode = NOT_WHOLE
      } catch (error) {
        const line = oneLine(error)
        if (line !== null) command.error(`error: ${line}`, { exitCode: NOT_READ })
        // Not thrown on: that would exit as a log does that is not whole.
        console.error(error)
        process.exitCode = NOT_READ
      }
    })
}
