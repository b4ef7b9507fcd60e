import { randomUUID } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import * as z from 'zod'
import type { Clock } from '../../clock.ts'
import { chain, EventMetadata, type NewEvent, type StreamHead } from '../../ledger/event.ts'
import { inTransaction, openForWriting } from '../../sqlite.ts'
import { refuseMoved } from './moved.ts'
import { LOG } from './schema.ts'
import { readLogId } from './sqlite-log.ts'

export interface Append {
  readonly stream: string
  readonly event: Omit<NewEvent, 'data'>
}

/** What became of one append; `position` is the row's number. */
export interface AppendResult {
  readonly duplicate: boolean
  readonly revision: number
  readonly position: number
}

interface OpenStream {
  readonly key: number
  head: StreamHead | null
}

const StreamRow = z.object({ id: z.int() })
const HeadRow = z.object({ revision: z.int(), metadata: z.string() }).optional()
const PlaceRow = z.object({ revision: z.int(), position: z.int() })

/** So many streams' ends are remembered; what is not is looked up. */
const KNOWN_STREAMS = 100_000

// FULL: a commit is on the disk when it returns. The checkpoint is put off, because it copies the same few pages
// again and again while they are hot; the cache holds the index pages that appends touch at random.
const PRAGMAS = [
  'synchronous = FULL',
  'fullfsync = ON',
  'wal_autocheckpoint = 8000',
  'cache_size = -32768',
  'temp_store = MEMORY',
]

/** Appends to the embedded log, a batch a transaction. It must be the log's only writer. */
export class SqliteAppender {
  readonly #db: DatabaseSync
  readonly #clock: Clock
  readonly #writer: string
  readonly #streams = new LRUCache<string, OpenStream>({ max: KNOWN_STREAMS })
  readonly #sql: Record<
    'findStream' | 'addStream' | 'findHead' | 'addEntry' | 'addEvent' | 'findEvent' | 'probe' | 'last',
    StatementSync
  >
  #lastPosition: number

  /** Makes the log where there is none. `writer` is the data folder's id. Throws `LogMoved`. */
  constructor(path: string, writer: string, clock: Clock) {
    this.#db = openForWriting(path, LOG, PRAGMAS)
    refuseMoved(this.#db, path)
    this.#clock = clock
    this.#writer = writer
    this.#db.exec(`INSERT INTO log (id) SELECT '${randomUUID()}' WHERE NOT EXISTS (SELECT 1 FROM log)`)
    const prepare = (sql: string) => this.#db.prepare(sql)
    this.#sql = {
      findStream: prepare('SELECT id FROM streams WHERE name = ?'),
      addStream: prepare('INSERT INTO streams (name) VALUES (?)'),
      findHead: prepare(`SELECT e.revision, e.metadata FROM entries n JOIN events e ON e.position = n.position
        WHERE n.stream = ? AND n.key < x'' ORDER BY n.key DESC LIMIT 1`),
      addEntry: prepare('INSERT OR IGNORE INTO entries (stream, key, position) VALUES (?, ?, ?)'),
      addEvent: prepare(
        'INSERT INTO events (position, stream, revision, type, data, metadata) VALUES (?, ?, ?, ?, ?, ?)',
      ),
      findEvent:
        prepare(`SELECT e.revision, e.position FROM entries n JOIN events e ON e.position = n.position
        WHERE n.stream = ? AND n.key = ?`),
      probe: prepare('UPDATE log SET probed_at = ?'),
      last: prepare('SELECT coalesce(max(position), 0) AS position FROM events'),
    }
    this.#lastPosition = this.#readLastPosition()
  }

  get logId(): string {
    return readLogId(this.#db)
  }

  /** All of a batch, in its order, durable on return; on an error nothing of it is stored. */
  append(batch: readonly Append[]): AppendResult[] {
    return this.#transaction(() => batch.map((append) => this.#appendOne(append)))
  }

  /** Throws where nothing can be written. */
  probe(): void {
    this.#transaction(() => this.#sql.probe.run(this.#clock()))
  }

  close(): void {
    this.#db.close()
  }

  #appendOne({ stream, event }: Append): AppendResult {
    const open = this.#openStream(stream)
    const id = Buffer.from(event.id.replaceAll('-', ''), 'hex')
    const position = this.#lastPosition + 1
    if (this.#sql.addEntry.run(open.key, id, position).changes === 0) return this.#findDuplicate(open.key, id)

    const { revision, metadata, metadataJson } = chain(stream, event, open.head, this.#clock(), this.#writer)
    // OR IGNORE is for ids; a revision that exists already means a second writer.
    if (this.#sql.addEntry.run(open.key, revision, position).changes === 0)
      throw new Error(`revision ${revision} exists: the log has another writer`)
    this.#sql.addEvent.run(position, open.key, revision, event.type, event.json, metadataJson)
    open.head = { revision, hash: metadata.hash, recordedAt: metadata.recordedAt }
    this.#lastPosition = position
    return { duplicate: false, revision, position }
  }

  #findDuplicate(stream: number, id: Uint8Array): AppendResult {
    return { duplicate: true, ...PlaceRow.parse(this.#sql.findEvent.get(stream, id)) }
  }

  #openStream(name: string): OpenStream {
    let open = this.#streams.get(name)
    if (open === undefined) {
      open = this.#findStream(name) ?? {
        key: Number(this.#sql.addStream.run(name).lastInsertRowid),
        head: null,
      }
      this.#streams.set(name, open)
    }
    return open
  }

  #findStream(name: string): OpenStream | null {
    const found = this.#sql.findStream.get(name)
    if (found === undefined) return null
    const { id: key } = StreamRow.parse(found)
    const last = HeadRow.parse(this.#sql.findHead.get(key))
    if (last === undefined) return { key, head: null }
    const { hash, recordedAt } = EventMetadata.parse(JSON.parse(last.metadata))
    return { key, head: { revision: last.revision, hash, recordedAt } }
  }

  #transaction<T>(work: () => T): T {
    try {
      return inTransaction(this.#db, work)
    } catch (error) {
      // What was remembered may have been undone.
      this.#streams.clear()
      this.#lastPosition = this.#readLastPosition()
      throw error
    }
  }

  #readLastPosition(): number {
    return z.object({ position: z.int() }).parse(this.#sql.last.get()).position
  }
}
