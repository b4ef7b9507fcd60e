import { randomUUID } from 'node:crypto'
import { jsonEvent, NO_STREAM } from '@eventstore/db-client'
import type { Clock } from '../../clock.ts'
import { chain, EventType, type NewEvent, type Position, storeIdOf } from '../../ledger/event.ts'
import { type Appended, type EventStore, StoreError } from '../event-store.ts'
import type { LogClient } from './client.ts'
import type { EventStoreDbPlace } from './connection.ts'
import { isConflict, isNotLeader } from './errors.ts'
import { EventStoreDbLog } from './eventstoredb-log.ts'
import { type KnownStream, KnownStreams } from './known-streams.ts'
import { positionOf } from './position.ts'
import { StreamQueues } from './stream-queues.ts'

export interface EventStoreDbOptions extends EventStoreDbPlace {
  /** The data folder's id. */
  readonly writer: string
  readonly clock: Clock
  /** The log that this must be, null where any will do. */
  readonly expectedId: string | null
  /** Told which log it is, each time that it has been asked. */
  readonly onId?: (id: string) => void
  readonly pause: (milliseconds: number) => Promise<void>
}

/** An append that has not come to an end after this many milliseconds is given up: its outcome stays unknown. */
const GIVE_UP_MS = 10_000
/** Before what was in doubt is looked for, or what met others is tried again; twice as long each time. */
const PAUSE_MS = { first: 5, most: 500 }
const PAGE = 1_000

/** An event at its place in its stream's chain, as it is to be stored. */
export interface ChainedEvent {
  readonly stream: string
  readonly revision: number
  readonly type: string
  readonly json: string
  readonly hash: string
  readonly metadataJson: string
}

/**
 * Appends to an EventStoreDB, which other nodes may write to as well. Every append is at the exact revision that was
 * last seen of its stream, under an id made of its hash, so that the server takes it for a repetition only where it is
 * these very bytes; whether it is a repetition of another node's or an earlier event is looked up here.
 */
export class EventStoreDbStore extends EventStoreDbLog implements EventStore {
  readonly #options: EventStoreDbOptions
  readonly #known = new KnownStreams()
  readonly #queues = new StreamQueues<NewEvent, Appended>((stream, event) => this.#append(stream, event))
  #expectedId: string | null

  /** Connects to nothing yet. Throws `StoreError` as `store-misconfigured`. */
  constructor(options: EventStoreDbOptions) {
    super(options)
    this.#options = options
    this.#expectedId = options.expectedId
  }

  append(stream: string, event: NewEvent): Promise<Appended> {
    if (this.connection.closed)
      return Promise.reject(new StoreError('store-unavailable', 'the log is closed'))
    return this.#queues.add(stream, event)
  }

  /** Begins the log where there is none. */
  protected override async askId(): Promise<string> {
    const id = (await this.readId()) ?? (await this.#begin())
    this.#expectedId ??= id
    if (id !== this.#expectedId)
      throw new StoreError(
        'store-misconfigured',
        'EventStoreDB holds another log than the one this folder belongs to',
      )
    this.#options.onId?.(id)
    return id
  }

  /** The leader takes it up and refuses it: what begins a log can't stand there twice. */
  async probe(): Promise<void> {
    await this.id()
    await this.#begin()
  }

  override async close(): Promise<void> {
    await this.#queues.close()
    await super.close()
  }

  async #append(stream: string, event: NewEvent): Promise<Appended> {
    await this.id()
    const { clock, writer, pause } = this.#options
    const givesUp = performance.now() + GIVE_UP_MS
    // A stream that nothing is known of is taken for new: where it isn't, the first attempt says so and stores nothing.
    const known = this.#known.get(stream) ?? { head: null, ids: new Map() }
    let next: ReturnType<typeof chain> | null = null
    try {
      for (let wait = PAUSE_MS.first; ; wait = Math.min(wait * 2, PAUSE_MS.most)) {
        const twin = known.ids.get(event.id)
        if (twin !== undefined) return await this.#find(stream, twin, next?.metadata.hash ?? null)
        // Until somebody else has written, the same bytes at the same revision.
        if (next === null || next.revision !== following(known))
          next = chain(stream, event, known.head, clock(), writer)
        try {
          const position = await this.#write(stream, event, next)
          const { revision, metadata } = next
          this.#known.extend(stream, known, [{ revision, metadata }])
          return {
            outcome: 'appended',
            revision,
            position: position ?? (await this.#placeOf(stream, revision)),
          }
        } catch (error) {
          if (!isUndecided(error) || performance.now() > givesUp) throw error
          // Other nodes' events may be on their way to being readable; what was in doubt may be on its way to the server.
          if (!(await this.#learn(stream, known)) && !isNotLeader(error)) await pause(wait)
        }
      }
    } catch (error) {
      // What was under way may be there or not.
      this.#known.forget(stream)
      throw error
    }
  }

  #write(stream: string, { type, json }: NewEvent, next: ReturnType<typeof chain>): Promise<Position | null> {
    const { revision, metadata, metadataJson } = next
    return this.connection.askPatiently((client) =>
      this.writeAt(
        client,
        { stream, revision, type, json, hash: metadata.hash, metadataJson },
        this.connection.silentMs,
      ),
    )
  }

  /**
   * Gives the server an event for its place in its stream, under an id made of its hash. Answers where in the log that is,
   * null where the server doesn't say. Rejects as `store-damaged` where it stands at another revision now.
   */
  protected async writeAt(
    client: LogClient,
    { stream, revision, type, json, hash, metadataJson }: ChainedEvent,
    patienceMs: number,
  ): Promise<Position | null> {
    const name = this.names.of(stream)
    const accepted = await client.appendAt(
      { stream: name, revision, id: storeIdOf(hash), type, json, metadataJson },
      patienceMs,
    )
    if (accepted.revision !== revision)
      throw new StoreError(
        'store-damaged',
        `${stream} has been deleted from EventStoreDB before revision ${revision}`,
      )
    return accepted.place === null ? null : positionOf(accepted.place)
  }

  /** Reads what came behind what is known. Answers whether there was anything. */
  async #learn(stream: string, known: KnownStream): Promise<boolean> {
    let learned = false
    for (;;) {
      const events = await this.readStream(stream, following(known), PAGE)
      if (events.length > 0) this.#known.extend(stream, known, events)
      learned ||= events.length > 0
      if (events.length < PAGE) return learned
    }
  }

  /** The event at a revision whose id is that of the one to append; `hash`: of the attempt that was made, if one was. */
  async #find(stream: string, revision: number, hash: string | null): Promise<Appended> {
    const [event] = await this.readStream(stream, revision, 1)
    if (event === undefined)
      throw new StoreError(
        'store-damaged',
        `${stream}: revision ${revision} has been removed from EventStoreDB`,
      )
    const outcome = event.metadata.hash === hash ? 'appended' : 'duplicate'
    return { outcome, revision, position: event.position }
  }

  async #placeOf(stream: string, revision: number): Promise<Position> {
    return (await this.#find(stream, revision, null)).position
  }

  /** Answers which log this is then, whoever has begun it. */
  async #begin(): Promise<string> {
    try {
      const event = jsonEvent({ type: EventType.logBegun, data: { id: randomUUID() } })
      await this.connection.ask((client) =>
        client.appendToStream(this.names.log, event, { expectedRevision: NO_STREAM, ...this.asking }),
      )
    } catch (error) {
      if (!isConflict(error)) throw error
    }
    const id = await this.readId()
    if (id === null) throw new StoreError('store-unavailable', 'the log has just been begun')
    return id
  }
}

function following({ head }: KnownStream): number {
  return head === null ? 0 : head.revision + 1
}

// Whoever wrote in between, or whether the server has stored it: looking tells.
function isUndecided(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'store-unavailable'
}
