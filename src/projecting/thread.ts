import { Worker } from 'node:worker_threads'

// Both load nothing here, so that a thread can be started before what it works with is loaded.

/** Starts the thread that will keep up the projections. */
export function startProjectorThread(): Worker {
  return new Worker(new URL('./projector-thread.ts', import.meta.url))
}

/** Starts the thread that will build generations anew, with room for so many megabytes of objects that live. */
export function startBuilderThread(heapMb: number): Worker {
  const resourceLimits = { maxOldGenerationSizeMb: heapMb, maxYoungGenerationSizeMb: 8 }
  return new Worker(new URL('./builder-thread.ts', import.meta.url), { resourceLimits })
}
