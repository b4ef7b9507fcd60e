import type { Worker } from 'node:worker_threads'
import type { EventLog, EventStore } from './event-store.ts'
import { SqliteLog } from './sqlite/sqlite-log.ts'
import { SqliteEventStore } from './sqlite/sqlite-store.ts'

/** Which log to open, as data that can be handed to another thread. */
export type LogLocation = { readonly engine: 'sqlite'; readonly path: string }

/** Opens the log for reading, on the calling thread. It must exist. */
export async function openLog(location: LogLocation): Promise<EventLog> {
  return new SqliteLog(location.path)
}

/** A thread that the store will want, started ahead of knowing which log it is for. */
export function storeThread(): Worker {
  return SqliteEventStore.thread()
}

/** Opens the log for appending; `writer` is the data folder's id, `onBatch` hears the size of each commit. */
export async function openStore(
  location: LogLocation,
  options: { writer: string; onBatch?: (size: number) => void },
  thread = storeThread(),
): Promise<EventStore> {
  return SqliteEventStore.open({ path: location.path, ...options }, thread)
}
