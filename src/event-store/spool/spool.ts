import type { DatabaseSync, StatementSync } from 'node:sqlite'
import * as z from 'zod'
import { EventMetadata, type NewEvent } from '../../ledger/event.ts'
import type { Instant } from '../../ledger/instant.ts'
import { type DatabaseKind, inTransaction, isSqliteError, openForWriting } from '../../sqlite.ts'
import { StoreError } from '../event-store.ts'
import { spooledText } from './spooled-event.ts'

// What is short stands before the event: it is read without what lies behind on further pages.
const SPOOL: DatabaseKind = {
  applicationId: 0x4c454453,
  migrations: [
    `
    CREATE TABLE events (
      seq INTEGER PRIMARY KEY,
      stream TEXT NOT NULL,
      received_at TEXT NOT NULL,
      set_aside TEXT,
      event TEXT NOT NULL
    ) STRICT;
    CREATE TABLE probes (count INTEGER NOT NULL) STRICT;
    INSERT INTO probes (count) VALUES (0);
    `,
  ],
}

const PRAGMAS = ['synchronous = FULL', 'fullfsync = ON']

/** A page of events ends early when it has become this large. */
const PAGE_CHARACTERS = 8_000_000
/** Free pages of more than this are given back to the disk once what is held is less than this. */
const WORTH_GIVING_BACK = 1024 * 1024

/** An event that waits, as it was written down. */
export interface SpooledRow {
  /** Its place in the queue. */
  readonly seq: number
  readonly stream: string
  readonly event: string
}

/** An event that is not to be tried again before the next start, and why. */
export interface SetAside {
  readonly row: SpooledRow
  readonly reason: string
}

interface Entering {
  readonly stream: string
  readonly receivedAt: Instant
  readonly setAside: string | null
  readonly event: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

const Row = z.object({ seq: z.int(), stream: z.string(), event: z.string() })
const Front = z.object({ seq: z.int(), received_at: EventMetadata.shape.receivedAt }).optional()
const Count = z.object({ pages: z.int() })

/**
 * A durable queue of events, in one SQLite file. What one turn of the event loop brings is one transaction, committed by
 * the thread that calls: it waits for the disk, but only while a store is away.
 */
export class Spool {
  readonly #db: DatabaseSync
  readonly #mostBytes: number
  readonly #sql: Record<
    'add' | 'remove' | 'setAside' | 'oldest' | 'front' | 'probe' | 'pages' | 'free',
    StatementSync
  >
  readonly #pageSize: number
  /** How many events of each stream wait, those being written included. */
  readonly #waiting = new Map<string, number>()
  readonly #aside = new Map<string, number>()
  #turn: Entering[] = []
  #turnBytes = 0
  #nextSeq: number
  /** No event waits at a place before this one. */
  #front = 0
  #oldest: Instant | null = null
  #bytes = 0
  #depth = 0
  #setAside = 0

  /** Makes the file where there is none. What had been set aside waits again. Throws `UnusableDatabase` or `StoreError`. */
  constructor(path: string, mostBytes: number) {
    this.#db = openForWriting(path, SPOOL, PRAGMAS)
    this.#mostBytes = mostBytes
    const prepare = (sql: string) => this.#db.prepare(sql)
    this.#sql = {
      add: prepare('INSERT INTO events (seq, stream, received_at, set_aside, event) VALUES (?, ?, ?, ?, ?)'),
      remove: prepare('DELETE FROM events WHERE seq = ?'),
      setAside: prepare('UPDATE events SET set_aside = ? WHERE seq = ?'),
      oldest: prepare(
        'SELECT seq, stream, event FROM events WHERE seq >= ? AND set_aside IS NULL ORDER BY seq LIMIT ?',
      ),
      front: prepare(
        'SELECT seq, received_at FROM events WHERE seq >= ? AND set_aside IS NULL ORDER BY seq LIMIT 1',
      ),
      probe: prepare('UPDATE probes SET count = count + 1'),
      pages: prepare('SELECT page_count AS pages FROM pragma_page_count'),
      free: prepare('SELECT freelist_count AS pages FROM pragma_freelist_count'),
    }
    this.#pageSize = Number(prepare('PRAGMA page_size').get()?.['page_size'])
    this.#nextSeq = 1 + Number(prepare('SELECT coalesce(max(seq), 0) AS seq FROM events').get()?.['seq'])
    for (const { stream } of prepare('SELECT stream FROM events').iterate()) {
      count(this.#waiting, String(stream), 1)
      this.#depth++
    }
    this.#write(() => this.#db.exec('UPDATE events SET set_aside = NULL WHERE set_aside IS NOT NULL'))
  }

  /** How many events wait. */
  get depth(): number {
    return this.#depth
  }

  get setAside(): number {
    return this.#setAside
  }

  /** The pages that hold something; the file may be larger, by pages that are free for what comes. */
  get bytes(): number {
    return this.#bytes
  }

  get full(): boolean {
    return this.#bytes + this.#turnBytes >= this.#mostBytes
  }

  /** When the first of those that wait came. */
  get oldestReceivedAt(): Instant | null {
    return this.#oldest
  }

  /** Whether an event of this stream waits, or is just being written. */
  isWaiting(stream: string): boolean {
    return this.#waiting.has(stream)
  }

  /** The same, or one has been set aside. */
  holds(stream: string): boolean {
    return this.#waiting.has(stream) || this.#aside.has(stream)
  }

  /**
   * Puts an event behind all others, or `setAside` for that reason. Its place is taken at once; it is durable when this
   * resolves. Rejects with `StoreError`.
   */
  enqueue(stream: string, event: NewEvent, setAside: string | null = null): Promise<void> {
    if (!this.#db.isOpen) return Promise.reject(new StoreError('store-unavailable', 'the spool is closed'))
    if (this.full) return Promise.reject(isFull())
    const text = spooledText(event)
    count(setAside === null ? this.#waiting : this.#aside, stream, 1)
    this.#turnBytes += Buffer.byteLength(text)
    if (this.#turn.length === 0) setImmediate(() => this.#commitTurn())
    const { receivedAt } = event
    return new Promise((resolve, reject) =>
      this.#turn.push({ stream, receivedAt, setAside, event: text, resolve, reject }),
    )
  }

  /** Up to `limit` of those that wait, in order; fewer where they are large. Throws `StoreError`. */
  oldest(limit: number): SpooledRow[] {
    return translated('read', () => {
      const page: SpooledRow[] = []
      let characters = 0
      for (const found of this.#sql.oldest.iterate(this.#front, limit)) {
        const row = Row.parse(found)
        page.push(row)
        characters += row.event.length
        if (characters > PAGE_CHARACTERS) break
      }
      return page
    })
  }

  /** Takes out what is in the store, and sets aside what it refuses. All or, where it throws `StoreError`, nothing. */
  settle(drained: readonly SpooledRow[], refused: readonly SetAside[]): void {
    this.#write(() => {
      for (const { seq } of drained) this.#sql.remove.run(seq)
      for (const { row, reason } of refused) this.#sql.setAside.run(reason, row.seq)
    })
    for (const { stream } of drained) count(this.#waiting, stream, -1)
    for (const { row } of refused) {
      count(this.#waiting, row.stream, -1)
      count(this.#aside, row.stream, 1)
    }
    this.#depth -= drained.length + refused.length
    this.#setAside += refused.length
    if (this.#depth === 0) this.#giveBack()
  }

  /** Throws `StoreError` where nothing can be written, or nothing more. */
  probe(): void {
    if (this.full) throw isFull()
    this.#write(() => this.#sql.probe.run())
  }

  /** What is being written is durable then. */
  close(): void {
    this.#commitTurn()
    if (this.#db.isOpen) this.#db.close()
  }

  #commitTurn(): void {
    const turn = this.#turn
    if (turn.length === 0) return
    this.#turn = []
    this.#turnBytes = 0
    try {
      this.#write(() => {
        // Places are given here and not before: what is on its way is behind all that can be seen.
        for (const { stream, receivedAt, setAside, event } of turn)
          this.#sql.add.run(this.#nextSeq++, stream, receivedAt, setAside, event)
      })
    } catch (error) {
      for (const { stream, setAside, reject } of turn) {
        count(setAside === null ? this.#waiting : this.#aside, stream, -1)
        reject(error)
      }
      return
    }
    const setAside = turn.filter((one) => one.setAside !== null).length
    this.#setAside += setAside
    this.#depth += turn.length - setAside
    for (const { resolve } of turn) resolve()
  }

  // Looks in the same transaction where the front is and what is held, so that nothing is remembered that was undone.
  #write(work: () => void): void {
    const { front, bytes } = translated('written', () =>
      inTransaction(this.#db, () => {
        work()
        return { front: Front.parse(this.#sql.front.get(this.#front)), bytes: this.#measure() }
      }),
    )
    this.#front = front?.seq ?? this.#nextSeq
    this.#oldest = front?.received_at ?? null
    this.#bytes = bytes
  }

  #measure(): number {
    return (pagesIn(this.#sql.pages) - pagesIn(this.#sql.free)) * this.#pageSize
  }

  // Nothing waits: the write-ahead log is emptied, and a file that has grown becomes small again, which takes as long as
  // copying what is still held.
  #giveBack(): void {
    try {
      const free = pagesIn(this.#sql.free) * this.#pageSize
      if (free > WORTH_GIVING_BACK && this.#bytes < WORTH_GIVING_BACK) this.#db.exec('VACUUM')
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch (error) {
      // The space is used again anyhow, or given back next time.
      if (!isSqliteError(error)) throw error
    }
  }
}

function isFull(): StoreError {
  return new StoreError('store-unavailable', 'the spool is full')
}

function count(counts: Map<string, number>, stream: string, change: 1 | -1): void {
  const now = (counts.get(stream) ?? 0) + change
  if (now === 0) counts.delete(stream)
  else counts.set(stream, now)
}

function pagesIn(statement: StatementSync): number {
  return Count.parse(statement.get()).pages
}

// SQLite's own words tell of files and pages, never of what is in them.
function translated<T>(what: 'read' | 'written', work: () => T): T {
  try {
    return work()
  } catch (error) {
    const why = isSqliteError(error) ? error.message : 'what is in it is damaged'
    throw new StoreError('store-unavailable', `the spool cannot be ${what}: ${why}`, { cause: error })
  }
}
