import { Worker } from 'node:worker_threads'

// Both load nothing here, so that a thread can be started before what it works with is loaded.

/** Starts the thread that will keep up the projections. */
export function startProjectorThread(): Worker {
  return new Worker(new URL('./projector-thread.ts', import.meta.url))
}

/** In megabytes: what it reads is garbage at once, and would be left lying about as long as there is room. */
const BUILDER_HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 }

/** Starts the thread that will build generations anew. */
export function startBuilderThread(): Worker {
  return new Worker(new URL('./builder-thread.ts', import.meta.url), { resourceLimits: BUILDER_HEAP })
}
