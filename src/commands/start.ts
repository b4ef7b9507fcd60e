import { Command } from 'commander'
import { startWriterThread } from '../event-store/sqlite/thread.ts'
import { startProjectorThread } from '../projecting/thread.ts'

/** `ledger start`: the ledger itself, until SIGINT or SIGTERM. */
export function startCommand(): Command {
  return new Command('start').description('run the ledger').action(async (_options, command: Command) => {
    // Threads take longest to start, so they start before anything else is loaded.
    const threads = { writer: startWriterThread(), projector: startProjectorThread() }
    try {
      const { serve } = await import('../serve.ts')
      await serve(process.env, threads)
    } catch (error) {
      for (const thread of Object.values(threads)) await thread.terminate()
      if (isMistake(error)) command.error(`error: ${error.message}`)
      throw error
    }
  })
}

const MISTAKES = new Set<unknown>([
  'config-mistake',
  'data-folder-in-use',
  'data-folder-unusable',
  'database-unusable',
  'projection-of-another-log',
])
const ASKED_BY_A_SETTING = new Set<unknown>(['listen', 'getaddrinfo', 'open'])

// What the person who starts it can put right is said in one line; anything else is a fault, and has a stack. By code,
// not by class: an error that comes from another thread has lost its class.
function isMistake(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return (
    ('code' in error && MISTAKES.has(error.code)) ||
    ('syscall' in error && ASKED_BY_A_SETTING.has(error.syscall))
  )
}
