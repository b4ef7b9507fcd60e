import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import * as z from 'zod'
import { type StreamHead, sha256 } from '../ledger/event.ts'
import { isInstant } from '../ledger/instant.ts'

const bytes = z.instanceof(Uint8Array)
const Row = z
  .object({ revision: z.int(), hash: bytes, recorded_at: z.custom<StreamHead['recordedAt']>(isInstant) })
  .transform(
    ({ revision, hash, recorded_at }): StreamHead => ({
      revision,
      hash: Buffer.from(hash).toString('hex'),
      recordedAt: recorded_at,
    }),
  )

/** How much is kept in memory. */
export interface NotesLimits {
  /** So many streams' heads are remembered; what is not is looked up. */
  readonly heads: number
  /** Of the file. */
  readonly cacheKib: number
}

const LIMITS: NotesLimits = { heads: 50_000, cacheKib: 32_768 }

// Nothing of it outlives the process, so nothing has to be undone or safe, and all of it is one transaction: what fits
// into the cache is never written.
const PRAGMAS = ['journal_mode = OFF', 'synchronous = OFF']

/**
 * What a walk through a log has to remember: where each stream ends, and which ids it has had. There may be more of them
 * than fit into memory, so they are in a temporary file, which the system deletes with the process, however that ends.
 */
export class Notes {
  readonly #db: DatabaseSync
  readonly #known: LRUCache<string, StreamHead>
  /** Heads that are not in the file yet. */
  readonly #changed = new Map<string, StreamHead>()
  readonly #sql: Record<'find' | 'save' | 'addId', StatementSync>
  #streams = 0

  constructor({ heads, cacheKib } = LIMITS) {
    // No name: SQLite makes a file where the system keeps temporary ones, and unlinks it at once.
    this.#db = new DatabaseSync('')
    for (const pragma of [...PRAGMAS, `cache_size = -${cacheKib}`]) this.#db.exec(`PRAGMA ${pragma}`)
    this.#db.exec(`
      CREATE TABLE heads (
        stream BLOB PRIMARY KEY,
        revision INTEGER NOT NULL,
        hash BLOB NOT NULL,
        recorded_at TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE ids (id INTEGER PRIMARY KEY) STRICT;
      BEGIN`)
    this.#known = new LRUCache({ max: heads })
    this.#sql = {
      find: this.#db.prepare('SELECT revision, hash, recorded_at FROM heads WHERE stream = ?'),
      save: this.#db.prepare('REPLACE INTO heads (stream, revision, hash, recorded_at) VALUES (?, ?, ?, ?)'),
      addId: this.#db.prepare('INSERT OR IGNORE INTO ids (id) VALUES (?)'),
    }
  }

  /** How many streams have a head. */
  get streams(): number {
    return this.#streams
  }

  head(stream: string): StreamHead | null {
    const known = this.#changed.get(stream) ?? this.#known.get(stream)
    if (known !== undefined) return known
    const row = this.#sql.find.get(keyOf(stream))
    return row === undefined ? null : Row.parse(row)
  }

  setHead(stream: string, head: StreamHead): void {
    if (head.revision === 0) this.#streams++
    this.#changed.set(stream, head)
  }

  /** Notes that a stream has an event with this id; whether it is new there. False may be a mistake, true is none. */
  addId(stream: string, id: string): boolean {
    const key = Buffer.from(sha256(`${stream} ${id}`).slice(0, 16), 'hex').readBigInt64BE()
    return this.#sql.addId.run(key).changes === 1
  }

  /** Moves the heads that have changed out of memory: to be called now and then. */
  save(): void {
    for (const [stream, head] of this.#changed) {
      this.#sql.save.run(keyOf(stream), head.revision, Buffer.from(head.hash, 'hex'), head.recordedAt)
      this.#known.set(stream, head)
    }
    this.#changed.clear()
  }

  close(): void {
    this.#db.close()
  }
}

// Of one short length, because a name may be 150 characters; 128 bits are enough to be no other stream's.
function keyOf(stream: string): Uint8Array {
  return Buffer.from(sha256(stream).slice(0, 32), 'hex')
}
