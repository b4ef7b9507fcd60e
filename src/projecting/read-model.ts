import type { DatabaseSync } from 'node:sqlite'
import type { Position } from '../ledger/event.ts'
import { type Built, GenerationReader } from './generation-reader.ts'

interface Opened<Queries> {
  readonly reader: GenerationReader
  readonly queries: Queries
}

/** A projection as it is read: from one generation, and in time from the next. */
export class ReadModel<Queries> {
  readonly #query: (db: DatabaseSync) => Queries
  #served: Opened<Queries> | null = null
  #next: (Opened<Queries> & { held: boolean; readonly built: Built }) | null = null
  /** As far as a generation went that can't be read any more: no answer goes back behind it. */
  #floor: Position | null = null

  constructor(query: (db: DatabaseSync) => Queries) {
    this.#query = query
  }

  /** What is read; null where there is nothing to be read. */
  get served(): Opened<Queries> | null {
    return this.#served
  }

  /** What will be read; `held` until somebody says so. */
  get next(): { readonly reader: GenerationReader; readonly held: boolean; readonly built: Built } | null {
    return this.#next
  }

  serve(path: string): void {
    this.#served = this.#open(path)
  }

  /** Gets a generation ready that will take over. */
  prepare(path: string, held: boolean): void {
    const opened = this.#open(path)
    this.#next = { ...opened, held, built: opened.reader.built() }
  }

  releaseNext(): void {
    if (this.#next !== null) this.#next.held = false
  }

  /** As far as any answer can have gone that was given from a generation that can't be read any more. */
  get floor(): Position | null {
    return this.#floor
  }

  /** Reads from the next generation from now on; gives the number of the one before, which is closed, null where there was none. */
  switchOver(): number | null {
    const before = this.#served
    this.#served = this.#next
    this.#next = null
    before?.reader.close()
    return before?.reader.number ?? null
  }

  /** Reads a generation no more, whichever it is. `reached`: how far it is known to have gone. */
  forget(number: number, reached: Position | null): void {
    if (this.#served?.reader.number === number) {
      this.#served.reader.close()
      this.#served = null
      this.#floor = reached
    }
    if (this.#next?.reader.number === number) {
      this.#next.reader.close()
      this.#next = null
    }
  }

  close(): void {
    this.#served?.reader.close()
    this.#next?.reader.close()
  }

  #open(path: string): Opened<Queries> {
    const reader = new GenerationReader(path)
    try {
      return { reader, queries: this.#query(reader.db) }
    } catch (error) {
      reader.close()
      throw error
    }
  }
}
