import { type AllStreamSubscription, START as BEGINNING, streamNameFilter } from '@eventstore/db-client'
import type { Position } from '../../ledger/event.ts'
import { type LogEntry, StoreError } from '../event-store.ts'
import type { Connection } from './connection.ts'
import { logEntryOf, type Names } from './entries.ts'
import { storeErrorOf } from './errors.ts'
import { placeOf, START } from './position.ts'

/**
 * Follows the log from a position on: a filtered subscription to `$all` that is read in pages. What it has received and
 * not handed out is bounded; a subscription that fails or ends fails the follower, and a new one goes on from its
 * position. The position is that of the last entry handed out: what the server says of its own progress runs ahead.
 */
export class Follower {
  readonly #subscription: AllStreamSubscription
  #window: number
  readonly #silentMs: number
  #position: Position
  #received: LogEntry[] = []
  #failure: StoreError | null = null
  #change = Promise.withResolvers<void>()

  /** `window`: so many entries may wait here. */
  constructor(connection: Connection, names: Names, after: Position, window: number) {
    this.#position = after
    this.#window = window
    this.#silentMs = connection.silentMs
    this.#subscription = connection.client.subscribeToAll(
      {
        fromPosition: after === START ? BEGINNING : placeOf(after),
        filter: streamNameFilter({ prefixes: names.prefixes, checkpointInterval: 1_000 }),
        credentials: connection.credentials,
      },
      { highWaterMark: 256 },
    )
    this.#subscription.on('data', ({ event }) => {
      if (event === undefined || this.failed || !names.isTold(event.streamId)) return
      this.#received.push(logEntryOf(event, names))
      if (this.#received.length >= this.#window) this.#subscription.pause()
      this.#changed()
    })
    // The server ends subscriptions when it stops, which looks like an end of the data.
    const ended = () => this.#fail(new StoreError('store-unavailable', 'EventStoreDB ended the subscription'))
    this.#subscription.on('end', ended)
    this.#subscription.on('close', ended)
    this.#subscription.on('error', (error) => {
      const known = storeErrorOf(error)
      this.#fail(
        known instanceof StoreError
          ? known
          : new StoreError('store-unavailable', 'unknown', { cause: error }),
      )
    })
  }

  /** Of the last entry that was handed out. */
  get position(): Position {
    return this.#position
  }

  get failed(): boolean {
    return this.#failure !== null
  }

  /**
   * The next entries, at least one, at most `limit` and none behind `upTo`, which must be the position of an entry
   * behind this one. Rejects where the subscription fails or is silent.
   */
  async take(limit: number, upTo: Position): Promise<LogEntry[]> {
    const enough = Math.min(limit, this.#window / 2)
    let silent = false
    const timer = setTimeout(() => {
      silent = true
      this.#changed()
    }, this.#silentMs)
    try {
      let seen = 0
      while (!this.#holds(enough, upTo)) {
        if (this.#failure !== null) throw this.#failure
        if (silent) throw new StoreError('store-unavailable', 'the subscription to EventStoreDB is silent')
        await this.#change.promise
        if (this.#received.length > seen) timer.refresh()
        seen = this.#received.length
      }
    } finally {
      clearTimeout(timer)
    }
    return this.#handOut(limit, upTo)
  }

  /** Resolves when there is an entry, it has failed, so many milliseconds have gone by, or `signal` aborts. */
  async waitForMore(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const stop = () => resolve()
    const timer = setTimeout(stop, milliseconds)
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
    while (this.#received.length === 0 && this.#failure === null) {
      if ((await Promise.race([this.#change.promise, over.then(() => 'over')])) === 'over') break
    }
    signal.removeEventListener('abort', stop)
    clearTimeout(timer)
  }

  /** Whether there is something to take. Throws what it failed with, where there is nothing more. */
  hasMore(): boolean {
    if (this.#received.length > 0) return true
    if (this.#failure !== null) throw this.#failure
    return false
  }

  close(): void {
    this.#fail(new StoreError('store-unavailable', 'the log is closed'))
    // To its end: the client keeps what is left before that.
    this.#window = Number.POSITIVE_INFINITY
    this.#subscription.resume()
    this.#subscription.unsubscribe().catch(() => {})
  }

  #holds(enough: number, upTo: Position): boolean {
    const last = this.#received.at(-1)
    return last !== undefined && (this.#received.length >= enough || last.position >= upTo)
  }

  #handOut(limit: number, upTo: Position): LogEntry[] {
    const most = this.#received.length
    let count = Math.min(limit, most)
    while (count > 0 && (this.#received[count - 1]?.position ?? '') > upTo) count--
    const page = count === most ? this.#received : this.#received.slice(0, count)
    this.#received = count === most ? [] : this.#received.slice(count)
    this.#position = page.at(-1)?.position ?? this.#position
    if (this.#received.length < this.#window / 2) this.#subscription.resume()
    return page
  }

  #fail(error: StoreError): void {
    this.#failure ??= error
    this.#changed()
  }

  #changed(): void {
    const { resolve } = this.#change
    this.#change = Promise.withResolvers<void>()
    resolve()
  }
}
