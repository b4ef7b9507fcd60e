import { setTimeout as delay } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import type { CopyTarget, EventLog, EventStore } from './event-store.ts'
import type { EventStoreDbOptions, EventStoreDbStore } from './eventstoredb/eventstoredb-store.ts'

/** Which log to open, as data that can be handed to another thread. */
export type LogLocation =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'eventstoredb'; readonly url: string; readonly namespace?: string }

// Each engine is loaded only where it is used: a start waits for what is loaded, and neither needs the other's libraries.

/** Opens the log for reading, on the calling thread. An embedded one must exist; a distant one need not answer yet. */
export async function openLog(location: LogLocation): Promise<EventLog> {
  if (location.engine === 'sqlite') {
    const { SqliteLog } = await import('./sqlite/sqlite-log.ts')
    return new SqliteLog(location.path)
  }
  const { EventStoreDbLog } = await import('./eventstoredb/eventstoredb-log.ts')
  return new EventStoreDbLog(location)
}

/**
 * Opens the embedded log for appending, made where there is none; `writer` is the data folder's id, `onBatch` hears the
 * size of each commit. `thread` will do the writing.
 */
export async function openEmbedded(
  path: string,
  options: { writer: string; onBatch?: (size: number) => void },
  thread?: Worker,
): Promise<EventStore> {
  const { SqliteEventStore } = await import('./sqlite/sqlite-store.ts')
  return SqliteEventStore.open({ path, ...options }, thread)
}

/** Opens an EventStoreDB for appending. It need not answer yet. Rejects with `StoreError` as `store-misconfigured`. */
export async function openEventStoreDb(
  options: Omit<EventStoreDbOptions, 'pause'>,
): Promise<EventStoreDbStore> {
  const { EventStoreDbStore } = await import('./eventstoredb/eventstoredb-store.ts')
  return new EventStoreDbStore({ ...options, pause: (milliseconds) => delay(milliseconds) })
}

/** Opens an EventStoreDB to copy a log to. Rejects with `StoreError` as `store-misconfigured`. */
export async function openCopyTarget(url: string): Promise<CopyTarget> {
  const { EventStoreDbCopyTarget } = await import('./eventstoredb/copy-target.ts')
  return new EventStoreDbCopyTarget({
    url,
    // What is copied bears the id of the folder that wrote it.
    writer: '',
    clock: systemClock(),
    expectedId: null,
    pause: (milliseconds) => delay(milliseconds),
  })
}
