import { BACKWARDS, END, type ReadPosition } from '@eventstore/db-client'
import * as z from 'zod'
import type { Position, StoredEvent } from '../../ledger/event.ts'
import { type EventLog, eventOf, type LogEntry, StoreError } from '../event-store.ts'
import { Connection, type EventStoreDbPlace } from './connection.ts'
import { logEntryOf, Names } from './entries.ts'
import { isNotFound, isNotLeader } from './errors.ts'
import { Follower } from './follower.ts'
import { isPosition, placeOf, positionOf, START } from './position.ts'

/** So many entries wait in a follower, and a page has half as many. */
const WINDOW = 4_000
/** Followers that are kept between pages: one for each place that somebody reads on from. */
const MOST_FOLLOWERS = 4
/** A subscription that brings nothing is doubted after this many milliseconds: whoever waits looks at the head. */
const HEARTBEAT_MS = 10_000
/** So many entries are counted one by one; what is behind them is estimated. */
const MOST_COUNTED = 1_000

const LogBegun = z.object({ id: z.uuid() })

/** Reads the ledger's streams of an EventStoreDB. */
export class EventStoreDbLog implements EventLog {
  readonly start = START
  protected readonly connection: Connection
  protected readonly names: Names
  #followers: Follower[] = []
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
    const follower = this.#followerAt(from, Math.min(WINDOW, limit * 2))
    try {
      return await follower.take(limit, last)
    } catch (error) {
      this.#giveUp(follower)
      throw error
    }
  }

  /** Reads `$all` backwards, to where it was when last asked: cheap, unless others write much between two askings. */
  async head(): Promise<Position | null> {
    const { end: seenEnd, head: seenHead } = this.#seen
    let end: Position | null = null
    let head: Position | null | undefined
    let from: ReadPosition = END
    let oldest: Position | null = null
    for (let count = 8; head === undefined; count = Math.min(count * 4, 4_096)) {
      let last: Position | null = null
      await this.#whereLeaderIs(() =>
        this.connection.read(
          (client) =>
            client.readAll({ ...this.asking, direction: BACKWARDS, fromPosition: from, maxCount: count }),
          ({ event }) => {
            if (event === undefined) return
            const position = positionOf(event.position)
            end ??= position
            last = position
            if (head !== undefined) return
            if (position <= seenEnd) head = seenHead
            else if (event.streamId === this.names.log) head = null
            else if (this.names.isTold(event.streamId)) head = position
          },
        ),
      )
      const isBeginning = last === null || last === oldest
      if (head === undefined && isBeginning) head = null
      oldest = last
      if (last !== null) from = placeOf(last)
    }
    if (end !== null) this.#seen = { end, head: head ?? null }
    return head ?? null
  }

  async countBehind(after: Position | null): Promise<number> {
    const head = await this.head()
    const from = after ?? START
    if (head === null || from >= head) return 0
    const sample = new Follower(this.connection, this.names, from, MOST_COUNTED * 2)
    try {
      let counted = 0
      while (counted < MOST_COUNTED && sample.position !== head)
        counted += (await sample.take(MOST_COUNTED, head)).length
      // Positions count bytes: what is left is as large as what was counted.
      const bytes = (position: Position) => Number(placeOf(position).commit)
      const each = (bytes(sample.position) - bytes(from)) / counted
      return counted + Math.ceil((bytes(head) - bytes(sample.position)) / each)
    } finally {
      sample.close()
    }
  }

  async waitBehind(after: Position | null, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#closing.signal])
    const from = after ?? START
    while (!either.aborted) {
      const follower = this.#followerAt(from, WINDOW)
      try {
        await follower.waitForMore(HEARTBEAT_MS, either)
        if (either.aborted || follower.hasMore()) return
        const head = await this.head()
        if (head === null || head <= from) continue
      } catch (error) {
        this.#giveUp(follower)
        throw error
      }
      // There is more, and the subscription has not brought it.
      this.#giveUp(follower)
      return
    }
  }

  isPosition(text: string): text is Position {
    return isPosition(text)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const follower of this.#followers.splice(0)) follower.close()
    await this.connection.close()
  }

  protected async askId(): Promise<string> {
    const begun = await this.readId()
    if (begun === null) throw new StoreError('store-unavailable', 'no ledger has begun this log yet')
    return begun
  }

  /** Which log this is, null where none has been begun. */
  protected async readId(): Promise<string | null> {
    let found: unknown = null
    try {
      await this.#whereLeaderIs(() =>
        this.connection.read(
          (client) => client.readStream(this.names.log, { ...this.asking, maxCount: 1 }),
          ({ event }) => {
            found = event?.data
          },
        ),
      )
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    if (found === null) return null
    const begun = LogBegun.safeParse(found)
    if (!begun.success)
      throw new StoreError('store-damaged', `${this.names.log} does not say which log this is`)
    return begun.data.id
  }

  /** What stands in a stream, whatever it is. */
  protected async readEntries(stream: string, from: number, limit: number): Promise<LogEntry[]> {
    return this.#whereLeaderIs(async () => {
      const entries: LogEntry[] = []
      try {
        await this.connection.read(
          (client) =>
            client.readStream(this.names.of(stream), {
              ...this.asking,
              fromRevision: BigInt(from),
              maxCount: limit,
            }),
          ({ event }) => {
            if (event !== undefined) entries.push(logEntryOf(event, this.names))
          },
        )
      } catch (error) {
        if (!isNotFound(error)) throw error
        await this.#refuseDeleted(stream)
      }
      return entries
    })
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

  // The client learns who leads by being refused.
  async #whereLeaderIs<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (!isNotLeader(error)) throw error
      return ask()
    }
  }

  #followerAt(position: Position, window: number): Follower {
    const found = this.#followers.find((follower) => follower.position === position && !follower.failed)
    const follower = found ?? new Follower(this.connection, this.names, position, Math.max(window, 16))
    this.#followers = [...this.#followers.filter((one) => one !== follower), follower]
    const [oldest] = this.#followers
    if (this.#followers.length > MOST_FOLLOWERS && oldest !== undefined) this.#drop(oldest)
    return follower
  }

  #giveUp(follower: Follower): void {
    this.connection.disturbed()
    this.#drop(follower)
  }

  #drop(follower: Follower): void {
    this.#followers = this.#followers.filter((one) => one !== follower)
    follower.close()
  }
}
