import type { NewEvent } from '../../ledger/event.ts'
import { backoff } from '../../waiting.ts'
import { type EventStore, StoreError } from '../event-store.ts'
import type { Breaker } from './breaker.ts'
import type { SetAside, Spool, SpooledRow } from './spool.ts'
import { unspooled } from './spooled-event.ts'

/** What is written to in the end. */
export type Appending = Pick<EventStore, 'append' | 'probe'>

/** An event that was set aside, for the log of the ledger: nothing of what it says. */
export interface SetAsideNotice {
  readonly stream: string
  /** Null where what was spooled can't be read. */
  readonly id: string | null
  readonly reason: string
}

export interface DrainerOptions {
  readonly store: Appending
  readonly spool: Spool
  readonly breaker: Breaker
  /** Waits that many milliseconds, or until the signal aborts. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
  readonly onSetAside: (notice: SetAsideNotice) => void
}

/** So many events are taken out of the spool together. */
const PAGE = 500
/** So many streams are appended to side by side. */
const MOST_AT_ONCE = 64
/** Before a failed round is tried again, in milliseconds: twice as long after each that failed too. */
const RETRY_MS = { first: 250, most: 10_000 }

/** How a round ended: all of its page is settled, some of it, or nothing. */
type Round = 'done' | 'hindered' | 'failed'

/** Appends what waits in the spool to the store: each stream in its order, many streams side by side. */
export class Drainer {
  readonly #options: DrainerOptions
  #wake = Promise.withResolvers<void>()
  #trouble: string | null = null

  constructor(options: DrainerOptions) {
    this.#options = options
  }

  /** Why the spool itself can't be drained; null while it can. */
  get trouble(): string | null {
    return this.#trouble
  }

  /** There may be something to do. */
  wake(): void {
    this.#wake.resolve()
  }

  /** Runs until the signal aborts; it is to be woken then. What is with the store is waited for. */
  async run(signal: AbortSignal): Promise<void> {
    const { spool, breaker, pause } = this.#options
    let failed = 0
    while (!signal.aborted) {
      if (spool.depth === 0 && !breaker.isOpen) {
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
        continue
      }
      const round = await this.#round(signal)
      if (round === 'done') failed = 0
      else failed = round === 'hindered' ? 1 : failed + 1
      if (failed > 0) await pause(backoff(failed, RETRY_MS), signal)
    }
  }

  async #round(signal: AbortSignal): Promise<Round> {
    const { store, spool, breaker } = this.#options
    try {
      // Asked before anything is appended: while the store is away, each append would wait for it.
      if (breaker.isOpen) await store.probe()
    } catch (error) {
      breaker.open(reasonOf(error))
      return 'failed'
    }
    try {
      const page = spool.oldest(PAGE)
      if (page.length === 0) breaker.close()
      const round = await this.#drain(page, signal)
      this.#trouble = null
      return round
    } catch (error) {
      this.#trouble = reasonOf(error)
      return 'failed'
    }
  }

  /** Throws `StoreError` where the spool can't be written: then all of the page is appended again, and found to be there. */
  async #drain(page: readonly SpooledRow[], signal: AbortSignal): Promise<Round> {
    const { spool, breaker, onSetAside } = this.#options
    const drained: SpooledRow[] = []
    const refused: (SetAside & SetAsideNotice)[] = []
    const failures: StoreError[] = []
    const streams = Map.groupBy(page, ({ stream }) => stream).values()
    const lane = async (): Promise<void> => {
      for (const rows of streams)
        for (const row of rows) {
          if (signal.aborted) return
          const outcome = await this.#append(row)
          if (outcome instanceof StoreError) {
            // Ends this lane: where the store is away, each asks it once and no more.
            failures.push(outcome)
            return
          }
          breaker.close()
          if (outcome === null) drained.push(row)
          else refused.push({ row, ...outcome })
        }
    }
    await Promise.all(Array.from({ length: MOST_AT_ONCE }, lane))

    const [failure] = failures
    const moved = drained.length + refused.length > 0
    if (moved) spool.settle(drained, refused)
    for (const { stream, id, reason } of refused) onSetAside({ stream, id, reason })
    if (failure === undefined) return 'done'
    // Where others got through, it is something about that one stream.
    if (!moved && failure.code !== 'store-overloaded') breaker.open(failure.message)
    return moved ? 'hindered' : 'failed'
  }

  /** Null where the event is in the store; an error where that is to be tried again, a notice where it is not. */
  async #append({ stream, event: written }: SpooledRow): Promise<StoreError | SetAsideNotice | null> {
    let event: NewEvent
    try {
      event = unspooled(written)
    } catch {
      return { stream, id: null, reason: 'store-damaged: what was spooled cannot be read' }
    }
    try {
      await this.#options.store.append(stream, event)
      return null
    } catch (error) {
      if (error instanceof StoreError && !isFinal(error)) return error
      return { stream, id: event.id, reason: setAsideReason(error) }
    }
  }
}

/** Whether the store will not take the event, however often it is tried. */
export function isFinal({ code }: StoreError): boolean {
  return code === 'store-refuses' || code === 'store-damaged'
}

export function setAsideReason(error: unknown): string {
  return error instanceof StoreError ? `${error.code}: ${error.message}` : reasonOf(error)
}

// Only the ledger's own errors are known to quote nothing.
function reasonOf(error: unknown): string {
  if (error instanceof StoreError) return error.message
  return error instanceof Error ? error.name : 'unknown'
}
