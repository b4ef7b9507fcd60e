import { Command } from 'commander'
import { oneLine } from './mistake.ts'

const NOT_WHOLE = 1
const NOT_READ = 2

/**
 * `ledger verify`: walks the chain of every stream and names the first event that does not fit; or, with `--projections`,
 * compares what is served with what the log says.
 */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('walk the chain of every stream and name the first event that does not fit')
    .option('--projections', 'instead, fold the log anew and compare the rows with those that are served')
    .addHelpText(
      'after',
      `
Exit code: 0 every chain is whole, 1 an event does not fit, 2 the log could not be read to its end.
With --projections: 0 all rows are what the log says, 1 some are not, 2 something could not be compared.`,
    )
    .action(async (options: { projections?: true }, command: Command) => {
      try {
        process.exitCode = options.projections ? await verifyProjections() : await verifyChains()
      } catch (error) {
        const line = oneLine(error) ?? (isAbort(error) ? 'was stopped' : null)
        if (line !== null) command.error(`error: ${line}`, { exitCode: NOT_READ })
        // Not thrown on: that would exit as a log does that is not whole.
        console.error(error)
        process.exitCode = NOT_READ
      }
    })
}

async function verifyChains(): Promise<number> {
  const { runVerify, verdict } = await import('../verifying/run.ts')
  const walk = await runVerify(process.env)
  console.log(verdict(walk))
  return walk.misfit === null ? 0 : NOT_WHOLE
}

async function verifyProjections(): Promise<number> {
  const { runVerifyProjections } = await import('../verifying/run-projections.ts')
  let code = 0
  for await (const { name, outcome, lines } of runVerifyProjections(process.env)) {
    for (const line of lines) console.log(`projection ${name}: ${line}`)
    if (outcome === 'differs') code = NOT_WHOLE
    if (outcome === 'absent' && code === 0) code = NOT_READ
  }
  return code
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
