import type { DatabaseSync, StatementSync } from 'node:sqlite'
import * as z from 'zod'
import type { Position } from '../ledger/event.ts'
import { openForReading } from '../sqlite.ts'
import { GENERATION, META, Meta } from './generation-file.ts'

/** A stream that waits in a projection, and the event that it waits for. */
export interface ParkedStream {
  readonly stream: string
  readonly revision: number
  /** Null where what stands there is no event of the ledger's. */
  readonly eventId: string | null
  readonly error: string
  /** How many of its events wait, that one included. */
  readonly waiting: number
}

/** When the rebuild began that a generation came from, and how many events it took. */
export interface Built {
  /** Null where it came from none. */
  readonly startedAt: string | null
  readonly handled: number
}

const ParkedRow = z
  .object({
    stream: z.string(),
    revision: z.int(),
    event_id: z.string().nullable(),
    error: z.string(),
    waiting: z.int(),
  })
  .transform(({ event_id, ...row }): ParkedStream => ({ ...row, eventId: event_id }))

/** A generation's file as it is read, beside the thread that writes it. */
export class GenerationReader {
  readonly path: string
  readonly db: DatabaseSync
  /** Of the projection that built it. */
  readonly version: number
  readonly number: number
  readonly #meta: StatementSync
  readonly #isParked: StatementSync
  readonly #parked: StatementSync

  constructor(path: string) {
    this.path = path
    this.db = openForReading(path, GENERATION)
    try {
      this.#meta = this.db.prepare(META)
      this.#isParked = this.db.prepare('SELECT 1 FROM parked WHERE stream = ?')
      this.#parked = this.db.prepare('SELECT * FROM parked WHERE stream > ? ORDER BY stream LIMIT ?')
      const { version, number } = this.#read()
      this.version = version
      this.number = number
    } catch (error) {
      this.db.close()
      throw error
    }
  }

  /** All that `read` reads is of one moment. */
  snapshot<T>(read: () => T): T {
    this.db.exec('BEGIN')
    try {
      return read()
    } finally {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
    }
  }

  /** How far the rows go, in whatever transaction `db` is in. */
  checkpoint(): Position | null {
    return this.#read().checkpoint
  }

  /** What is known of its rebuild. */
  built(): Built {
    const { started_at: startedAt, handled } = this.#read()
    return { startedAt, handled: handled ?? 0 }
  }

  /** Whether events of this stream wait because one could not be handled. */
  isParked(stream: string): boolean {
    return this.#isParked.get(stream) !== undefined
  }

  /** The streams that wait, by name, those behind `after`. */
  parked(after: string | null, limit: number): ParkedStream[] {
    return this.#parked.all(after ?? '', limit).map((row) => ParkedRow.parse(row))
  }

  close(): void {
    this.db.close()
  }

  #read(): Meta {
    return Meta.parse(this.#meta.get())
  }
}
