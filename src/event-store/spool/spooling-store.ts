import type { NewEvent } from '../../ledger/event.ts'
import {
  type Appended,
  type Intake,
  type Spooled,
  type SpoolState,
  type SpoolView,
  StoreError,
} from '../event-store.ts'
import { Breaker } from './breaker.ts'
import { type Appending, Drainer, type DrainerOptions, isFinal, setAsideReason } from './drainer.ts'
import { Spool } from './spool.ts'

export interface SpoolingOptions extends Pick<DrainerOptions, 'pause' | 'onSetAside'> {
  readonly path: string
  /** What the spool may hold, in bytes on the disk; one more event is let in just below that. */
  readonly mostBytes: number
  /** Told when the store has failed, and when it has been got through to again. */
  readonly onAway: (reason: string) => void
  readonly onBack: () => void
}

const SPOOLED: Spooled = { outcome: 'spooled', revision: null, position: null }

/**
 * Keeps deliveries while the store is away: durably on this node's disk, until the store takes them. Within a stream the
 * order is kept: what comes goes behind all that waits. Who opened the store closes it, after this.
 */
export class SpoolingStore implements Intake, SpoolView {
  readonly #store: Appending
  readonly #queue: Spool
  readonly #breaker: Breaker
  readonly #drainer: Drainer
  readonly #onSetAside: SpoolingOptions['onSetAside']
  /** How many appends of each stream are with the store, from here and not from the spool. */
  readonly #undecided = new Map<string, number>()
  readonly #closing = new AbortController()
  readonly #draining: Promise<void>
  #decided: (() => void) | null = null

  /** Opens the spool, made where there is none, and begins to drain it. Throws `UnusableDatabase` or `StoreError`. */
  constructor(store: Appending, { path, mostBytes, pause, onAway, onBack, onSetAside }: SpoolingOptions) {
    this.#store = store
    this.#onSetAside = onSetAside
    this.#breaker = new Breaker(onAway, onBack)
    this.#queue = new Spool(path, mostBytes)
    const parts = { store, spool: this.#queue, breaker: this.#breaker }
    this.#drainer = new Drainer({ ...parts, pause, onSetAside })
    this.#draining = this.#drainer.run(this.#closing.signal)
  }

  get spool(): SpoolView {
    return this
  }

  append(stream: string, event: NewEvent): Promise<Appended | Spooled> {
    if (this.#closing.signal.aborted)
      return Promise.reject(new StoreError('store-unavailable', 'the spool is closed'))
    return this.#goesIntoSpool(stream) ? this.#spooled(stream, event) : this.#appended(stream, event)
  }

  /** While the store is away, it is the spool that must take something. */
  async probe(): Promise<void> {
    if (!this.#breaker.isOpen)
      try {
        return await this.#store.probe()
      } catch (error) {
        if (!(error instanceof StoreError) || error.code === 'store-overloaded') throw error
        this.#away(error)
      }
    this.#queue.probe()
  }

  holds(stream: string): boolean {
    return this.#queue.holds(stream)
  }

  state(): SpoolState {
    const { depth, bytes, setAside, oldestReceivedAt, full } = this.#queue
    const reason = this.#breaker.reason ?? this.#drainer.trouble
    const spooling = depth > 0 || this.#breaker.isOpen
    return { spooling, depth, bytes, setAside, oldestReceivedAt, full, reason }
  }

  /** Waits for what is under way; what is left in the spool is drained after the next start. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#drainer.wake()
    await this.#draining
    if (this.#undecided.size > 0)
      await new Promise<void>((resolve) => {
        this.#decided = resolve
      })
    this.#queue.close()
  }

  // With the store away, only what follows an append that is with it already is given to it: it settles those in their
  // order, and so they come into the spool in their order.
  #goesIntoSpool(stream: string): boolean {
    return this.#queue.isWaiting(stream) || (this.#breaker.isOpen && !this.#undecided.has(stream))
  }

  async #appended(stream: string, event: NewEvent): Promise<Appended | Spooled> {
    this.#undecided.set(stream, (this.#undecided.get(stream) ?? 0) + 1)
    try {
      return await this.#store.append(stream, event)
    } catch (error) {
      return await this.#caught(stream, event, error)
    } finally {
      const left = (this.#undecided.get(stream) ?? 0) - 1
      if (left > 0) this.#undecided.set(stream, left)
      else this.#undecided.delete(stream)
      if (this.#undecided.size === 0) this.#decided?.()
    }
  }

  // Takes its place in the spool at once: who asks next goes behind it, even where the store is back by then.
  #caught(stream: string, event: NewEvent, error: unknown): Promise<Spooled> {
    if (!(error instanceof StoreError) || error.code === 'store-overloaded') throw error
    if (!isFinal(error)) {
      this.#away(error)
      return this.#spooled(stream, event)
    }
    const reason = setAsideReason(error)
    return this.#spooled(stream, event, reason)
  }

  async #spooled(stream: string, event: NewEvent, setAside: string | null = null): Promise<Spooled> {
    await this.#queue.enqueue(stream, event, setAside)
    if (setAside === null) this.#drainer.wake()
    else this.#onSetAside({ stream, id: event.id, reason: setAside })
    return SPOOLED
  }

  #away({ message }: StoreError): void {
    this.#breaker.open(message)
    this.#drainer.wake()
  }
}
