/** Stores that can be taken away from who appends to them. */
import {
  type Appended,
  type EventLog,
  type EventStore,
  type LogEntry,
  StoreError,
} from '../../src/event-store/event-store.ts'
import type { Appending } from '../../src/event-store/spool/drainer.ts'
import type { NewEvent, Position, StoredEvent } from '../../src/ledger/event.ts'

export const AWAY = new StoreError('store-unavailable', 'the store cannot be reached')

/** A store in memory, which appends once. */
export class FakeStore implements Appending {
  readonly #streams = new Map<string, NewEvent[]>()

  events(stream: string): readonly NewEvent[] {
    return this.#streams.get(stream) ?? []
  }

  async append(stream: string, event: NewEvent): Promise<Appended> {
    const events = this.#streams.get(stream) ?? []
    this.#streams.set(stream, events)
    const found = events.findIndex(({ id }) => id === event.id)
    if (found < 0) events.push(event)
    const revision = found < 0 ? events.length - 1 : found
    return { outcome: found < 0 ? 'appended' : 'duplicate', revision, position: `${stream} ${revision}` }
  }

  async probe(): Promise<void> {}
}

/**
 * - `away`: nothing gets through
 * - `lossy`: it is done, but said to have failed
 * - `silent`: an append is done, and answered when the store is `there` again; all else is answered
 */
export type Weather = 'there' | 'away' | 'lossy' | 'silent'

/** What stands before a store, and can take it away. */
export class Gate implements Appending {
  /** What refuses while the store is away, and of what it refuses for good. */
  error = AWAY
  /** Refuses these events for that reason, whatever the weather. */
  refuses: (stream: string, event: NewEvent) => StoreError | null = () => null
  /** The events that were to be appended, those that were refused among them. */
  readonly asked: NewEvent[] = []
  probes = 0
  /** The streams that are being appended to, and the most there were at once. */
  readonly inside: string[] = []
  mostInside = 0
  readonly #inner: Appending
  #weather: Weather = 'there'
  #killed = false
  #spoken = Promise.withResolvers<void>()

  constructor(inner: Appending) {
    this.#inner = inner
  }

  get weather(): Weather {
    return this.#weather
  }

  set weather(weather: Weather) {
    this.#weather = weather
    if (weather === 'there') this.speak()
  }

  /** Nothing gets through any more: who stood before it is dead. */
  kill(): void {
    this.#killed = true
    this.speak()
  }

  async append(stream: string, event: NewEvent): Promise<Appended> {
    this.asked.push(event)
    const refusal = this.refuses(stream, event)
    if (refusal !== null) throw refusal
    this.inside.push(stream)
    this.mostInside = Math.max(this.mostInside, this.inside.length)
    try {
      return await this.pass(() => this.#inner.append(stream, event))
    } finally {
      this.inside.splice(this.inside.indexOf(stream), 1)
    }
  }

  async probe(): Promise<void> {
    this.probes++
    if (this.#weather === 'silent') await this.#inner.probe()
    else await this.pass(() => this.#inner.probe())
  }

  protected async pass<T>(call: () => Promise<T>): Promise<T> {
    const weather = this.#weather
    const spoken = this.#spoken.promise
    if (this.#killed || weather === 'away') throw this.error
    const answer = await call()
    if (weather === 'lossy') throw this.error
    if (weather === 'silent') await spoken
    if (this.#killed) throw this.error
    return answer
  }

  /** Gives the answers that were held back. */
  speak(): void {
    this.#spoken.resolve()
    this.#spoken = Promise.withResolvers()
  }
}

/** The same before a whole log, whose readers it turns away too. */
export class GatedStore extends Gate implements EventStore {
  readonly #store: EventStore

  constructor(store: EventStore) {
    super(store)
    this.#store = store
  }

  get start(): Position {
    return this.#store.start
  }

  id(): Promise<string> {
    return this.pass(() => this.#store.id())
  }

  readStream(stream: string, from: number, limit: number): Promise<StoredEvent[]> {
    return this.pass(() => this.#store.readStream(stream, from, limit))
  }

  readAll(after: Position | null, limit: number, upTo?: Position): Promise<LogEntry[]> {
    return this.pass(() => this.#store.readAll(after, limit, upTo))
  }

  head(): Promise<Position | null> {
    return this.pass(() => this.#store.head())
  }

  countBehind(after: Position | null): Promise<number> {
    return this.pass(() => this.#store.countBehind(after))
  }

  waitBehind(...words: Parameters<EventLog['waitBehind']>): Promise<void> {
    return this.pass(() => this.#store.waitBehind(...words))
  }

  isPosition(text: string): text is Position {
    return this.#store.isPosition(text)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
