import { Worker } from 'node:worker_threads'

/** Starts the thread that will commit to the embedded log. Loads nothing here, so that it can be started first. */
export function startWriterThread(): Worker {
  return new Worker(new URL('./writer-thread.ts', import.meta.url))
}
