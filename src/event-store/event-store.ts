import { EventMetadata, type NewEvent, type Position, type StoredEvent } from '../ledger/event.ts'
import type { Instant } from '../ledger/instant.ts'
import { isJsonObject, jsonIn } from '../ledger/json.ts'

/** Where events are kept. The same contract for every engine, held by one suite of tests. */
export interface EventStore extends EventLog {
  /**
   * Appends once: at the end of `stream`, unless an event with this id is there already, under any number of
   * concurrent writers. Resolves when the event is durable, and only then. Rejects with `StoreError`; after
   * `store-unavailable` the event may be there all the same, and appending it again is safe.
   */
  append(stream: string, event: NewEvent): Promise<Appended>
  /** Writes something, to know whether appends can succeed; rejects with `StoreError` where they can't. */
  probe(): Promise<void>
}

export interface Appended {
  readonly outcome: 'appended' | 'duplicate'
  /** Of the event with that id, whichever attempt stored it. */
  readonly revision: number
  readonly position: Position
}

/** Where deliveries go: an event store, or a spool before one. */
export interface Intake {
  /**
   * Appends once, as `EventStore` does; or, where there is a spool, keeps durably on this node what the store can't take
   * now, to append it later, behind all that came before it for the same stream.
   */
  append(stream: string, event: NewEvent): Promise<Appended | Spooled>
  /** Writes something, to know whether deliveries can be kept; rejects with `StoreError` where they can't. */
  probe(): Promise<void>
  /** What waits on this node; left out where nothing ever does. */
  readonly spool?: SpoolView
}

/** Kept on this node; what its place will be is not known yet. */
export interface Spooled {
  readonly outcome: 'spooled'
  readonly revision: null
  readonly position: null
}

export interface SpoolView {
  /** Whether events of this stream are kept here and not in the log. */
  holds(stream: string): boolean
  state(): SpoolState
}

export interface SpoolState {
  /** Whether events wait, or would: the store is away. */
  readonly spooling: boolean
  /** How many events wait. */
  readonly depth: number
  /** What they take up on the disk, those set aside included. */
  readonly bytes: number
  /** So many the store has refused for good; they are tried once more at the next start. */
  readonly setAside: number
  /** When the first of those that wait came. */
  readonly oldestReceivedAt: Instant | null
  readonly full: boolean
  /** Why those that wait can't be appended, null while they can, as far as is known. */
  readonly reason: string | null
}

/** The reading side. Everything that is asked of it rejects with `StoreError` where the log can't answer. */
export interface EventLog {
  /** Names this log among all logs: projections built from one never answer for another. */
  id(): Promise<string>
  /** The place before the first event. */
  readonly start: Position
  /**
   * Up to `limit` events of a stream in order, from revision `from` on; empty where there is no such stream. Rejects as
   * `store-damaged` where an event is missing or is none of the ledger's.
   */
  readStream(stream: string, from: number, limit: number): Promise<StoredEvent[]>
  /**
   * Up to `limit` entries behind `after`, in log order and none behind `upTo`, which is the head at the latest; fewer
   * where they are large, none only at the end.
   */
  readAll(after: Position | null, limit: number, upTo?: Position): Promise<LogEntry[]>
  /** The position of the last entry, null while there is none. */
  head(): Promise<Position | null>
  /** How many entries stand behind `after`; large numbers may be estimates. */
  countBehind(after: Position | null): Promise<number>
  /** Resolves when the log has, or may have, an entry behind `after`, or when `signal` aborts. */
  waitBehind(after: Position | null, signal: AbortSignal): Promise<void>
  /** Whether `text` can be a position of this engine. */
  isPosition(text: string): text is Position
  close(): Promise<void>
}

/** A log that another one is copied to. */
export interface CopyTarget extends EventLog {
  /**
   * Stores events of another log exactly as they are, behind all that is there and in this order; what is there already,
   * because its answer was lost, is not stored again. Asked once at a time. All are durable when it resolves. Where it
   * rejects with `StoreError`, or the process dies, some first ones of them are stored and none behind one that is not.
   */
  copy(events: readonly StoredEvent[]): Promise<void>
}

/** What stands at a place in the log: an event, but for what somebody else wrote there or what was damaged. */
export type LogEntry = StoredEvent | ForeignEntry

/** Something in one of the ledger's streams that is no event of the ledger's. */
export interface ForeignEntry {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  /** What is wrong with it. Quotes nothing of it. */
  readonly foreign: string
}

/**
 * - `store-unavailable`: it can't take or give anything now; try again
 * - `store-overloaded`: too much is under way; try again
 * - `store-misconfigured`: credentials, certificate or address are wrong; somebody has to put that right
 * - `store-refuses`: it will not take this event, however often it is tried
 * - `store-damaged`: what is stored is not what was written
 */
export type StoreErrorCode =
  | 'store-unavailable'
  | 'store-overloaded'
  | 'store-misconfigured'
  | 'store-refuses'
  | 'store-damaged'

export class StoreError extends Error {
  override name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What stands at `place`, by the texts that an engine keeps of it. */
export function entryOf(
  place: Omit<ForeignEntry, 'foreign'>,
  type: string,
  dataText: string,
  metadataText: string,
): LogEntry {
  const data = jsonIn(dataText)
  if (!isJsonObject(data)) return { ...place, foreign: 'its data are no JSON object' }
  const metadata = EventMetadata.safeParse(jsonIn(metadataText))
  if (!metadata.success) return { ...place, foreign: "its metadata are none of the ledger's" }
  return { ...place, type, data, metadata: metadata.data }
}

/** The event, where `entry` is one. Throws `StoreError` where it is not. */
export function eventOf(entry: LogEntry): StoredEvent {
  if (!('foreign' in entry)) return entry
  throw new StoreError('store-damaged', `${entry.stream}, revision ${entry.revision}: ${entry.foreign}`)
}

/** All events of a stream from revision `from` on, in order, read page by page. */
export async function* eventsOf(log: EventLog, stream: string, from = 0): AsyncGenerator<StoredEvent> {
  const limit = 500
  for (let next = from; ; ) {
    const page = await log.readStream(stream, next, limit)
    yield* page
    if (page.length < limit) return
    next += page.length
  }
}
