import { mkdirSync, renameSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Position } from '../ledger/event.ts'
import type { Instant } from '../ledger/instant.ts'
import { inTransaction, openForWriting, UnusableDatabase } from '../sqlite.ts'
import {
  buildingNumbers,
  buildingPathOf,
  deleteDatabase,
  deleteGeneration,
  flush,
  flushFolderOf,
  GENERATION,
  highestNumber,
  homeOf,
  META,
  Meta,
  pathOf,
} from './generation-file.ts'
import { GenerationRows, type Reading } from './generation-rows.ts'
import type { AnyProjection } from './projection.ts'

// Nothing here is worth waiting for the disk: after a crash the rows and the checkpoint are both a little older. NORMAL
// and not OFF, so that a machine that loses power cannot leave a file that looks whole and isn't.
const LIVE = [
  'synchronous = NORMAL',
  'wal_autocheckpoint = 16000',
  'cache_size = -8192',
  'temp_store = MEMORY',
]

// One that is being built is not read and not gone on with after a crash: it is made durable once, when it is whole.
const BUILDING = [
  'synchronous = OFF',
  'wal_autocheckpoint = 16000',
  'cache_size = -8192',
  'temp_store = MEMORY',
]

/** A data folder's projections were built from another log than the one it has now. */
export class ForeignGeneration extends Error {
  override name = 'ForeignGeneration'
  readonly code = 'projection-of-another-log'
}

/**
 * One build of a projection: a SQLite file that holds its rows and its checkpoint, written by one thread. The files of a
 * projection are numbered; the highest number is the newest, and any may be deleted while nothing runs.
 */
export class Generation {
  readonly name: string
  readonly number: number
  /** Of the projection that built it; what keeps it up is the present one. */
  readonly version: number
  readonly #home: string
  readonly #db: DatabaseSync
  readonly #rows: GenerationRows
  #path: string
  readonly #sql: Record<'bind' | 'release', StatementSync>
  #checkpoint: Position | null
  #log: string | null
  #held: boolean

  /**
   * Opens a whole one, to keep it up. `log` is null while the log can't be asked which one it is. Throws
   * `ForeignGeneration`, and `UnusableDatabase` where it can't be read by the present projection.
   */
  static open(folder: string, projection: AnyProjection, number: number, log: string | null): Generation {
    const home = homeOf(folder, projection.name)
    return new Generation(home, pathOf(home, number), projection, log, LIVE)
  }

  /** Makes one that is whole from the first: of a log in which there is nothing yet. */
  static make(folder: string, projection: AnyProjection, log: string | null): Generation {
    const home = homeOf(folder, projection.name)
    mkdirSync(home, { recursive: true })
    const number = highestNumber(home) + 1
    const path = pathOf(home, number)
    begin(path, projection, { log, number, held: false, startedAt: null }, LIVE)
    return new Generation(home, path, projection, log, LIVE)
  }

  /**
   * Begins to build the next one, in bulk, of a number `above` those that have been; what was left of a build that was not finished is deleted. Until it is told to
   * be `complete`, it is lost where the machine stops.
   */
  static build(
    folder: string,
    projection: AnyProjection,
    log: string,
    { held, above = 0, startedAt }: { held: boolean; above?: number; startedAt: Instant },
  ): Generation {
    const home = homeOf(folder, projection.name)
    mkdirSync(home, { recursive: true })
    const unfinished = buildingNumbers(home)
    const number = Math.max(highestNumber(home), above) + 1
    const path = buildingPathOf(home, number)
    begin(path, projection, { log, number, held, startedAt }, BUILDING)
    // Now, and not before: they are how the next start knows that a rebuild is wanted.
    for (const left of unfinished) deleteDatabase(buildingPathOf(home, left))
    return new Generation(home, path, projection, log, BUILDING)
  }

  private constructor(
    home: string,
    path: string,
    projection: AnyProjection,
    log: string | null,
    pragmas: readonly string[],
  ) {
    this.name = projection.name
    this.#home = home
    this.#path = path
    const db = openForWriting(path, GENERATION, pragmas)
    try {
      const meta = Meta.safeParse(db.prepare(META).get())
      if (!meta.success) throw new UnusableDatabase(`${path}: does not say which build it is`)
      const { version, number, schema, checkpoint, held } = meta.data
      if (version > projection.version) throw new UnusableDatabase(`${path}: built by a newer release`)
      if (schema === null ? version !== projection.version : schema !== projection.schema)
        throw new UnusableDatabase(`${path}: of other tables than the projection has now`)
      this.number = number
      this.version = version
      this.#log = meta.data.log
      this.#checkpoint = checkpoint
      this.#held = held
      this.#rows = new GenerationRows(db, projection)
      this.#sql = {
        bind: db.prepare('UPDATE generation SET log = ?'),
        release: db.prepare('UPDATE generation SET held = 0'),
      }
      this.#db = db
      if (log !== null) this.bind(log)
      if (schema === null) db.prepare('UPDATE generation SET schema = ?').run(projection.schema)
    } catch (error) {
      db.close()
      throw error
    }
  }

  get path(): string {
    return this.#path
  }

  /** The position of the last event that has been handled. */
  get checkpoint(): Position | null {
    return this.#checkpoint
  }

  /** How many streams wait for an event that could not be handled. */
  get parked(): number {
    return this.#rows.parked
  }

  /** Whether it is not to be read until somebody says so. */
  get held(): boolean {
    return this.#held
  }

  /** Says which log it is built from. Throws `ForeignGeneration` where that was another one. */
  bind(log: string): void {
    if (this.#log === log) return
    if (this.#log !== null)
      throw new ForeignGeneration(
        `${this.#home} was built from another log: delete it to build it from this one`,
      )
    this.#sql.bind.run(log)
    this.#log = log
  }

  /** It may be read from now on. */
  release(): void {
    if (this.#held) this.#sql.release.run()
    this.#held = false
  }

  /** Handles events that follow each other in the log, and the first of which follows the checkpoint: see `GenerationRows`. */
  handle(readings: readonly Reading[]): void {
    const last = readings.at(-1)
    if (last === undefined) return
    this.#rows.handle(readings, last.entry.position)
    this.#checkpoint = last.entry.position
  }

  /** The streams that wait, with the revision that each waits for. */
  parkedStreams(): { stream: string; revision: number }[] {
    return this.#rows.parkedStreams()
  }

  /** Handles what waits of a parked stream. Tells whether none waits any more. */
  retry(stream: string, waiting: AsyncIterable<Reading>): Promise<boolean> {
    return this.#rows.retry(stream, waiting)
  }

  /**
   * Makes what was built durable, and closes it: from then on it is a whole generation, of `handled` events. Where it
   * throws while it is open, it may be asked again.
   */
  complete(handled: number): void {
    this.#db.prepare('UPDATE generation SET handled = ?').run(handled)
    this.#db.exec('PRAGMA synchronous = FULL')
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    this.close()
    flush(this.#path)
    const path = pathOf(this.#home, this.number)
    renameSync(this.#path, path)
    this.#path = path
    flushFolderOf(path)
  }

  get isOpen(): boolean {
    return this.#db.isOpen
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  /** Closes it and deletes its file, which nothing else may have open. */
  discard(): void {
    this.close()
    deleteGeneration(this.#home, this.number)
  }
}

interface Beginning {
  readonly log: string | null
  readonly number: number
  readonly held: boolean
  readonly startedAt: Instant | null
}

function begin(
  path: string,
  { name, version, schema }: AnyProjection,
  { log, number, held, startedAt }: Beginning,
  pragmas: readonly string[],
): void {
  const db = openForWriting(path, GENERATION, pragmas)
  try {
    inTransaction(db, () => {
      db.exec(schema)
      db.prepare(
        `INSERT INTO generation (log, projection, version, number, schema, held, started_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
      ).run(log, name, version, number, schema, held ? 1 : 0, startedAt)
    })
  } finally {
    db.close()
  }
}
