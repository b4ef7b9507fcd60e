/**
 * A test double of EventStoreDB; the real server has the last word. Here is when a filtered subscription says how far it
 * has looked, though it found nothing to deliver. While it catches up it looks page by page, and says so of a page at its
 * end: the place of the last event it delivered of it, or the page's own start.
 */
import type { StoredEvent } from './log.ts'

export interface Place {
  readonly commit: bigint
  readonly prepare: bigint
}

/** Of what it delivers; and of what it looks at, where the reader asks for nothing else. */
export const PAGE_SIZE = 32

export class Checkpoints {
  readonly #window: number
  readonly #interval: number
  #place: Place
  #considered = 0
  #delivered = 0
  #counter = 0

  constructor(window: number, multiplier: number, start: Place) {
    this.#window = window
    this.#interval = window * multiplier
    this.#place = start
  }

  /** While it catches up. `next` is where the next event will be. */
  passed({ position }: StoredEvent, delivered: boolean, next: bigint): Place | null {
    this.#considered += 1
    if (delivered) {
      this.#delivered += 1
      this.#place = { commit: position, prepare: position }
    }
    if (this.#considered < this.#window && this.#delivered < PAGE_SIZE) return null
    const place = this.#place
    this.#turnPage()
    this.#place = { commit: next, prepare: 0n }
    if (this.#counter < this.#interval) return null
    this.#counter %= this.#interval
    return place
  }

  goLive(): void {
    this.#turnPage()
  }

  passedLive({ position }: StoredEvent): Place | null {
    this.#counter += 1
    if (this.#counter < this.#interval) return null
    this.#counter = 0
    return { commit: position, prepare: position }
  }

  #turnPage(): void {
    this.#counter += this.#considered
    this.#considered = 0
    this.#delivered = 0
  }
}
