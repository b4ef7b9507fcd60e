import { type CopyTarget, type LogEntry, StoreError } from '../../src/event-store/event-store.ts'
import type { Position, StoredEvent } from '../../src/ledger/event.ts'

/** What becomes of one window that is copied: how many of its events are stored, and what it rejects with then. */
export interface Fate {
  readonly stores: number
  readonly error: Error | null
}

const WHOLE: Fate = { stores: Number.POSITIVE_INFINITY, error: null }

/** A log in memory, whose pages are short and whose positions are its own. As a target it fails as it is told to. */
export class MemoryLog implements CopyTarget {
  readonly start = positionOf(0)
  readonly #id: string
  readonly #page: number
  readonly #entries: LogEntry[] = []
  readonly #fates: Fate[] = []
  /** Called before anything is stored. */
  onCopy: () => Promise<void> = async () => {}
  /** How many times something has been copied. */
  copies = 0

  constructor({ id = 'memory', page = 5 }: { id?: string; page?: number } = {}) {
    this.#id = id
    this.#page = page
  }

  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  /** What becomes of the next windows, before all goes well again. */
  expect(...fates: readonly Fate[]): void {
    this.#fates.push(...fates)
  }

  add(...entries: readonly LogEntry[]): void {
    for (const entry of entries)
      this.#entries.push({ ...entry, position: positionOf(this.#entries.length + 1) })
  }

  async copy(events: readonly StoredEvent[]): Promise<void> {
    this.copies++
    await this.onCopy()
    const { stores, error } = this.#fates.shift() ?? WHOLE
    this.add(...events.slice(0, stores))
    if (error !== null) throw error
  }

  async id(): Promise<string> {
    return this.#id
  }

  async readAll(after: Position | null, limit: number, upTo = positionOf(this.#entries.length)) {
    return this.#entries
      .filter(({ position }) => position > (after ?? this.start) && position <= upTo)
      .slice(0, Math.min(limit, this.#page))
  }

  async head(): Promise<Position | null> {
    return this.#entries.at(-1)?.position ?? null
  }

  async countBehind(after: Position | null): Promise<number> {
    return this.#entries.filter(({ position }) => position > (after ?? this.start)).length
  }

  async readStream(): Promise<StoredEvent[]> {
    throw new StoreError('store-unavailable', 'not needed here')
  }

  async waitBehind(): Promise<void> {}

  isPosition(text: string): text is Position {
    return text.startsWith('m')
  }

  async close(): Promise<void> {}
}

// Nothing like the embedded log's.
function positionOf(number: number): Position {
  return `m${String(number * 13).padStart(8, '0')}`
}
