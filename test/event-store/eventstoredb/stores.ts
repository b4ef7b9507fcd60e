import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import {
  type EventStoreDbOptions,
  EventStoreDbStore,
} from '../../../src/event-store/eventstoredb/eventstoredb-store.ts'
import { EventStoreDouble, type EventStoreDoubleOptions } from './double/event-store-double.ts'

type Finished = (close: () => Promise<void>) => void

/** Closed when the test is finished. */
export async function startDouble(
  options: EventStoreDoubleOptions = {},
  finished: Finished = onTestFinished,
): Promise<EventStoreDouble> {
  const double = await EventStoreDouble.start(options)
  finished(() => double.close())
  return double
}

/** A ledger's store, less patient than the real one; closed when the test is finished. */
export function openStore(url: string, options: Partial<EventStoreDbOptions> = {}): EventStoreDbStore {
  const store = new EventStoreDbStore({
    url,
    silentMs: 800,
    writer: 'folder-1',
    clock: systemClock(),
    expectedId: null,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
    ...options,
  })
  onTestFinished(() => store.close())
  return store
}

/** One that shares a server with others. */
export function aNamespace(): string {
  return `test-${randomUUID()}.`
}
