import type { EventLog, EventStore } from './event-store.ts'
import { SqliteLog } from './sqlite/sqlite-log.ts'
import { SqliteEventStore } from './sqlite/sqlite-store.ts'
import { startWriterThread } from './sqlite/thread.ts'

/** Which log to open, as data that can be handed to another thread. */
export type LogLocation = { readonly engine: 'sqlite'; readonly path: string }

/** Opens the log for reading, on the calling thread. It must exist. */
export async function openLog(location: LogLocation): Promise<EventLog> {
  return new SqliteLog(location.path)
}

/** Opens the log for appending; `writer` is the data folder's id, `onBatch` hears the size of each commit. */
export async function openStore(
  location: LogLocation,
  options: { writer: string; onBatch?: (size: number) => void },
  thread = startWriterThread(),
): Promise<EventStore> {
  return SqliteEventStore.open({ path: location.path, ...options }, thread)
}
