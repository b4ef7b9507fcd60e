import type { DatabaseSync, StatementSync } from 'node:sqlite'
import * as z from 'zod'
import type { Position, StoredEvent } from '../../ledger/event.ts'
import { isSqliteError, openForReading } from '../../sqlite.ts'
import { type EventLog, entryOf, eventOf, type LogEntry, StoreError } from '../event-store.ts'
import { isPosition, positionOf, rowOf, START } from './position.ts'
import { LOG } from './schema.ts'
import { Wake } from './wake.ts'

const Row = z.object({
  position: z.int(),
  stream: z.string(),
  revision: z.int(),
  type: z.string(),
  data: z.string(),
  metadata: z.string(),
})

/** A page of events ends early when it has become this large: a page must fit into memory whatever it holds. */
const PAGE_CHARACTERS = 8_000_000

const SELECT = `SELECT e.position, s.name AS stream, e.revision, e.type, e.data, e.metadata
  FROM events e JOIN streams s ON s.id = e.stream`

/** Reads the embedded log, on whichever thread it is opened. */
export class SqliteLog implements EventLog {
  readonly start = START
  readonly #id: string
  readonly #db: DatabaseSync
  /** Made by the first who waits: a thread that only reads is not to be woken by each commit. */
  #wake: Wake | null = null
  readonly #stream: StatementSync
  readonly #all: StatementSync
  readonly #head: StatementSync
  readonly #count: StatementSync

  /** `path` is of a log that exists. Throws where it is none, or of another release. */
  constructor(path: string) {
    this.#db = openForReading(path, LOG)
    this.#id = readLogId(this.#db)
    this.#stream = this.#db.prepare(`${SELECT} JOIN entries n ON n.position = e.position
      WHERE n.stream = (SELECT id FROM streams WHERE name = ?) AND n.key >= ? AND n.key < x'' ORDER BY n.key LIMIT ?`)
    this.#all = this.#db.prepare(
      `${SELECT} WHERE e.position > ? AND e.position <= ? ORDER BY e.position LIMIT ?`,
    )
    this.#head = this.#db.prepare('SELECT max(position) AS position FROM events')
    // Positions have no gaps: what is counted is the distance.
    this.#count = this.#db.prepare('SELECT coalesce(max(position), 0) - ? AS events FROM events')
  }

  async id(): Promise<string> {
    return this.#id
  }

  async readStream(stream: string, from: number, limit: number): Promise<StoredEvent[]> {
    return this.#read(() =>
      Array.from(this.#stream.iterate(stream, from, limit), (row) => eventOf(logEntry(row))),
    )
  }

  async readAll(after: Position | null, limit: number, upTo?: Position): Promise<LogEntry[]> {
    return this.#read(() => {
      const page: LogEntry[] = []
      let characters = 0
      const last = upTo === undefined ? Number.MAX_SAFE_INTEGER : rowOf(upTo)
      for (const row of this.#all.iterate(rowOf(after), last, limit)) {
        page.push(logEntry(row))
        characters += String(row['data']).length + String(row['metadata']).length
        if (characters > PAGE_CHARACTERS) break
      }
      return page
    })
  }

  async head(): Promise<Position | null> {
    return this.#read(() => {
      const position = this.#head.get()?.['position']
      return typeof position === 'number' ? positionOf(position) : null
    })
  }

  async countBehind(after: Position | null): Promise<number> {
    return this.#read(() => Number(this.#count.get(rowOf(after))?.['events']))
  }

  async waitBehind(after: Position | null, signal: AbortSignal): Promise<void> {
    this.#wake ??= new Wake(this.#id)
    while (!signal.aborted) {
      const { heard } = this.#wake
      const head = await this.head()
      if (head !== null && (after === null || head > after)) return
      await this.#wake.ringAfter(heard, signal)
    }
  }

  isPosition(text: string): text is Position {
    return isPosition(text)
  }

  async close(): Promise<void> {
    this.#wake?.close()
    if (this.#db.isOpen) this.#db.close()
  }

  #read<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (isSqliteError(error))
        throw new StoreError('store-unavailable', 'the log cannot be read', { cause: error })
      throw error
    }
  }
}

/** Reads which log this is, from a connection of either kind. */
export function readLogId(db: DatabaseSync): string {
  return z.object({ id: z.string() }).parse(db.prepare('SELECT id FROM log').get()).id
}

function logEntry(row: unknown): LogEntry {
  const { position, stream, revision, type, data, metadata } = Row.parse(row)
  return entryOf({ stream, revision, position: positionOf(position) }, type, data, metadata)
}
