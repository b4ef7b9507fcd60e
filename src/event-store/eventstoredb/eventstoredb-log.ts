import * as z from 'zod'
import type { Position, StoredEvent } from '../../ledger/event.ts'
import { jsonIn } from '../../ledger/json.ts'
import { type EventLog, eventOf, type LogEntry, StoreError } from '../event-store.ts'
import { Connection, type EventStoreDbPlace } from './connection.ts'
import { logEntryOf, Names } from './entries.ts'
import { isNotLeader, isSilence } from './errors.ts'
import { isPosition, type Place, placeOf, positionOf, START } from './position.ts'
import type { ReadRequest, Recorded } from './read-messages.ts'
import { Subscription } from './subscription.ts'

/** A page ends early where it has so many bytes: what stands behind would only take memory. */
const PAGE_BYTES = 8 * 1024 * 1024
/** What is read of a page besides: the entry that it begins behind, and the log's own stream. */
const BESIDES = 16
/**
 * A log that grows by so many entries between two readings is busy: a subscription would cost the server several times as
 * much as reading them in pages, and there is no need to be told that there are more.
 */
const BUSY = 32
/** A subscription that brings nothing is doubted after so many times the longest silence: whoever waits looks at the head. */
const HEARTBEAT = 2
/** So many entries are counted one by one; what is behind them is estimated. */
const MOST_COUNTED = 1_000

const LogBegun = z.object({ id: z.uuid() })

/** Reads the ledger's streams of an EventStoreDB. */
export class EventStoreDbLog implements EventLog {
  readonly start = START
  protected readonly connection: Connection
  protected readonly names: Names
  #subscription: Subscription | null = null
  /** The end of `$all` as last seen, and the last entry of the ledger's up to there. */
  #seen: { end: Position; head: Position | null } = { end: START, head: null }
  /** Which log this is, and how disturbed the connection had been when that was asked. */
  #id: { readonly id: Promise<string>; readonly asOf: number } | null = null
  readonly #closing = new AbortController()

  /** Connects to nothing yet. Throws `StoreError` as `store-misconfigured`. */
  constructor(place: EventStoreDbPlace) {
    this.connection = new Connection(place)
    this.names = new Names(this.connection.namespace)
  }

  /** Asked again after a failure: a server that was away may come back as another one. */
  id(): Promise<string> {
    const { disturbances } = this.connection
    const known = this.#id
    if (known?.asOf === disturbances) return known.id
    const asked = { id: this.askId(), asOf: disturbances }
    this.#id = asked
    asked.id.catch(() => {
      if (this.#id === asked) this.#id = null
    })
    return asked.id
  }

  async readStream(stream: string, from: number, limit: number): Promise<StoredEvent[]> {
    const entries = await this.readEntries(stream, from, limit)
    entries.forEach((entry, index) => {
      if (entry.revision !== from + index)
        throw new StoreError(
          'store-damaged',
          `${stream}: revision ${from + index} has been removed from EventStoreDB`,
        )
    })
    return entries.map(eventOf)
  }

  async readAll(after: Position | null, limit: number, upTo?: Position): Promise<LogEntry[]> {
    const from = after ?? START
    const last = upTo ?? (await this.head())
    if (last === null || from >= last) return []
    const page = await this.#readPage(from, limit, last)
    if (page.length === 0) throw new StoreError('store-unavailable', 'EventStoreDB no longer has what it had')
    if (page.length > BUSY) this.#unsubscribe()
    return page
  }

  /** Reads `$all` backwards, to where it was when last asked: cheap, unless others write much between two askings. */
  async head(): Promise<Position | null> {
    const { end: seenEnd, head: seenHead } = this.#seen
    let end: Position | null = null
    let head: Position | null | undefined
    let from: Place | 'end' = 'end'
    for (let count = 8; head === undefined; count = Math.min(count * 4, 4_096)) {
      let read = 0
      await this.#read({ before: from, count }, ({ stream, place }) => {
        const position = positionOf(place)
        read++
        from = place
        end ??= position
        if (position <= seenEnd) head = seenHead
        else if (stream === this.names.log) head = null
        else if (this.names.isTold(stream)) head = position
        return head === undefined
      })
      if (head === undefined && read < count) head = null
    }
    if (end !== null) this.#seen = { end, head: head ?? null }
    return head ?? null
  }

  async countBehind(after: Position | null): Promise<number> {
    const head = await this.head()
    const from = after ?? START
    if (head === null || from >= head) return 0
    const sample = await this.#readPage(from, MOST_COUNTED, head)
    const reached = sample.at(-1)?.position ?? head
    // Positions count bytes: what is left is as large as what was counted.
    const bytes = (position: Position) => placeOf(position).commit
    const each = (bytes(reached) - bytes(from)) / Math.max(sample.length, 1)
    return sample.length + Math.ceil((bytes(head) - bytes(reached)) / each)
  }

  async waitBehind(after: Position | null, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#closing.signal])
    const from = after ?? START
    while (!either.aborted) {
      const subscription = this.#subscriptionTo(from)
      try {
        if (await subscription.hasBehind(from, HEARTBEAT * this.connection.silentMs, either)) return
        const head = either.aborted ? null : await this.head()
        if (head === null || head <= from) continue
      } catch (error) {
        this.connection.disturbed()
        throw error
      }
      // There is more, and the subscription has not brought it.
      this.connection.disturbed()
      this.#unsubscribe()
      return
    }
  }

  isPosition(text: string): text is Position {
    return isPosition(text)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#unsubscribe()
    await this.connection.close()
  }

  protected async askId(): Promise<string> {
    const begun = await this.readId()
    if (begun === null) throw new StoreError('store-unavailable', 'no ledger has begun this log yet')
    return begun
  }

  /** Which log this is, null where none has been begun. */
  protected async readId(): Promise<string | null> {
    let found: unknown
    const isBegun = await this.#read({ stream: this.names.log, from: 0, count: 1 }, ({ data }) => {
      found = jsonIn(data.toString())
      return true
    })
    if (!isBegun) return null
    const begun = LogBegun.safeParse(found)
    if (!begun.success)
      throw new StoreError('store-damaged', `${this.names.log} does not say which log this is`)
    return begun.data.id
  }

  /** What stands in a stream, whatever it is. */
  protected async readEntries(stream: string, from: number, limit: number): Promise<LogEntry[]> {
    const entries: LogEntry[] = []
    const found = await this.#read({ stream: this.names.of(stream), from, count: limit }, (recorded) => {
      entries.push(logEntryOf(recorded, this.names))
      return true
    })
    if (!found) await this.#refuseDeleted(stream)
    return entries
  }

  /** What each call says besides: what is always current comes from the leader. */
  protected get asking() {
    return {
      credentials: this.connection.credentials,
      requiresLeader: true,
      deadline: this.connection.silentMs,
    }
  }

  // A stream that somebody has deleted reads like one that has never been.
  async #refuseDeleted(stream: string): Promise<void> {
    const { metadata } = await this.connection.ask((client) =>
      client.getStreamMetadata(this.names.of(stream), this.asking),
    )
    if (metadata?.truncateBefore !== undefined)
      throw new StoreError('store-damaged', `${stream} has been deleted from EventStoreDB`)
  }

  async #readPage(from: Position, limit: number, last: Position): Promise<LogEntry[]> {
    const page: LogEntry[] = []
    let bytes = 0
    const take = (recorded: Recorded) => {
      const position = positionOf(recorded.place)
      if (position > last) return false
      if (position > from && this.names.isTold(recorded.stream)) {
        page.push(logEntryOf(recorded, this.names))
        bytes += recorded.data.length + recorded.metadata.length
      }
      // Not to the end of what the server looks through: others may have written much behind.
      return position < last && page.length < limit && bytes < PAGE_BYTES
    }
    const what = { from: placeOf(from), prefixes: this.names.prefixes }
    try {
      await this.#read({ ...what, count: limit + BESIDES }, take)
    } catch (error) {
      if (!isSilence(error) || page.length > 0) throw error
      // Others may have written much before the next entry: a subscription says how far it is with looking.
      await this.#read(what, take)
    }
    return page
  }

  // The client learns who leads by being refused, before anything is read.
  async #read(what: ReadRequest, take: (recorded: Recorded) => boolean): Promise<boolean> {
    try {
      return await this.connection.read(what, take)
    } catch (error) {
      if (!isNotLeader(error)) throw error
      return this.connection.read(what, take)
    }
  }

  #subscriptionTo(after: Position): Subscription {
    const known = this.#subscription
    if (known !== null && !known.failed && known.after <= after) return known
    this.#unsubscribe()
    this.#subscription = new Subscription(this.connection, this.names, after)
    return this.#subscription
  }

  #unsubscribe(): void {
    this.#subscription?.close()
    this.#subscription = null
  }
}
