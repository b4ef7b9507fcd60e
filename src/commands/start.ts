import { Command } from 'commander'
import { startWriterThread } from '../event-store/sqlite/thread.ts'
import { startProjectorThread } from '../projecting/thread.ts'
import { isMistake } from './mistake.ts'

/** `ledger start`: the ledger itself, until SIGINT or SIGTERM. */
export function startCommand(): Command {
  return new Command('start').description('run the ledger').action(async (_options, command: Command) => {
    // Threads take longest to start, so they start before anything else is loaded.
    const isEmbedded = process.env['EVENTSTOREDB_URL'] === undefined
    const threads = {
      ...(isEmbedded ? { writer: startWriterThread() } : {}),
      projector: startProjectorThread(),
    }
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
