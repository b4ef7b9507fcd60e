import { Worker } from 'node:worker_threads'

/** Starts the thread that will keep up the projections. Loads nothing here, so that it can be started first. */
export function startProjectorThread(): Worker {
  return new Worker(new URL('./projector-thread.ts', import.meta.url))
}
