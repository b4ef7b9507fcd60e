import type { NewEvent, Position, StoredEvent } from '../ledger/event.ts'

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

/** The reading side. */
export interface EventLog {
  /** Names this log among all logs: projections built from one never answer for another. */
  readonly id: string
  /** The place before the first event. */
  readonly start: Position
  /** Up to `limit` events of a stream in order, from revision `from` on; empty where there is no such stream. */
  readStream(stream: string, from: number, limit: number): Promise<StoredEvent[]>
  /** Up to `limit` events behind `after`, in log order; fewer where they are large, none only at the end. */
  readAll(after: Position | null, limit: number): Promise<StoredEvent[]>
  /** The position of the last event, null while there is none. */
  head(): Promise<Position | null>
  /** How many events stand behind `after`. */
  countBehind(after: Position | null): Promise<number>
  /** Resolves when the log has, or may have, an event behind `after`, or when `signal` aborts. */
  waitBehind(after: Position | null, signal: AbortSignal): Promise<void>
  /** Whether `text` can be a position of this engine. */
  isPosition(text: string): text is Position
  close(): Promise<void>
}

/**
 * - `store-unavailable`: it can't take or give anything now; try again
 * - `store-overloaded`: too much is under way; try again
 * - `store-damaged`: what is stored is not what was written
 */
export type StoreErrorCode = 'store-unavailable' | 'store-overloaded' | 'store-damaged'

export class StoreError extends Error {
  override name = 'StoreError'
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
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
