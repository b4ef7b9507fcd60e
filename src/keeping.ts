import { setTimeout as delay } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import type { Clock } from './clock.ts'
import { type DataFolder, DataFolderError } from './data-folder.ts'
import { type EventLog, type Intake, StoreError } from './event-store/event-store.ts'
import { type LogLocation, openEmbedded, openEventStoreDb } from './event-store/open.ts'
import { SpoolingStore } from './event-store/spool/spooling-store.ts'

/** What keeps the events of a ledger: where they go, where they are read from, and how another thread finds them. */
export interface Keeping {
  readonly intake: Intake
  readonly log: EventLog
  readonly location: LogLocation
  /** Waits for what is under way. */
  readonly close: () => Promise<void>
}

/** What is told of the spool, without anything of what is in it. */
export interface SpoolJournal {
  info(message: string): void
  warn(what: object, message: string): void
  error(what: object, message: string): void
}

/** Keeps events in the data folder itself. `onBatch` hears the size of each commit; `writer` will do the writing. */
export async function keepInEmbeddedLog(
  folder: DataFolder,
  onBatch: (size: number) => void,
  writer?: Worker,
): Promise<Keeping> {
  if (folder.log?.engine === 'eventstoredb')
    throw new DataFolderError(
      'data-folder-of-another-log',
      `data folder ${folder.path} belongs to a log in EventStoreDB: set EVENTSTOREDB_URL, or use another folder`,
    )
  const store = await openEmbedded(folder.logPath, { writer: folder.writer, onBatch }, writer)
  folder.belongTo({ engine: 'sqlite', id: await store.id() })
  return {
    intake: store,
    log: store,
    location: { engine: 'sqlite', path: folder.logPath },
    close: () => store.close(),
  }
}

/**
 * Keeps events in an EventStoreDB, and in the data folder's spool while that is away. Rejects with `StoreError` as
 * `store-misconfigured` where waiting can't help.
 */
export async function keepInEventStoreDb(
  folder: DataFolder,
  url: string,
  spoolBytes: number,
  clock: Clock,
  journal: SpoolJournal,
): Promise<Keeping> {
  if (folder.log?.engine === 'sqlite')
    throw new DataFolderError(
      'data-folder-of-another-log',
      `data folder ${folder.path} keeps a log of its own: move it with "ledger copy", or use another folder`,
    )
  const store = await openEventStoreDb({
    url,
    writer: folder.writer,
    clock,
    expectedId: folder.log?.id ?? null,
    onId: (id) => folder.belongTo({ engine: 'eventstoredb', id }),
  })
  try {
    await startWith(store, journal)
    const intake = new SpoolingStore(store, {
      path: folder.spoolPath,
      mostBytes: spoolBytes,
      pause: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => {}),
      onAway: (reason) => journal.warn({ reason }, 'the event store is away: deliveries are spooled'),
      onBack: () => journal.info('the event store is back'),
      onSetAside: (notice) => journal.error(notice, 'an event was set aside: the event store refuses it'),
    })
    return {
      intake,
      log: store,
      location: { engine: 'eventstoredb', url },
      close: async () => {
        await intake.close()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

// A store that is away may come; one that refuses the ledger will not change its mind.
async function startWith(store: EventLog, journal: SpoolJournal): Promise<void> {
  try {
    await store.id()
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'store-unavailable') throw error
    journal.warn({ reason: error.message }, 'starting without the event store: deliveries will be spooled')
  }
}
