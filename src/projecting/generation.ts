import { mkdirSync, renameSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { eventOf, type LogEntry } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import type { Instant } from '../ledger/instant.ts'
import type { Fact } from '../ledger/interpret.ts'
import { inTransaction, isSqliteError, openForWriting, UnusableDatabase } from '../sqlite.ts'
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
import type { AnyProjection, OpenProjection } from './projection.ts'

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

/** An entry and what it says, read once for all projections; or why it could not be read. */
export interface Reading {
  readonly entry: LogEntry
  readonly fact: Fact | Error
}

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
  readonly #reopen: () => OpenProjection
  #path: string
  #open: OpenProjection
  #parked: Set<string>
  readonly #sql: Record<'checkpoint' | 'park' | 'unpark' | 'wait' | 'bind' | 'release', StatementSync>
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
      this.#parked = readParked(db)
      this.#reopen = () => projection.open(db)
      this.#open = this.#reopen()
      this.#sql = {
        checkpoint: db.prepare('UPDATE generation SET checkpoint = ?'),
        bind: db.prepare('UPDATE generation SET log = ?'),
        release: db.prepare('UPDATE generation SET held = 0'),
        park: db.prepare(
          'INSERT INTO parked (stream, revision, event_id, error, waiting) VALUES (?, ?, ?, ?, 1)',
        ),
        unpark: db.prepare('DELETE FROM parked WHERE stream = ?'),
        wait: db.prepare('UPDATE parked SET waiting = waiting + 1 WHERE stream = ?'),
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
    return this.#parked.size
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

  /**
   * Handles events that follow each other in the log, and the first of which follows the checkpoint: rows and checkpoint
   * in one transaction. An event that the projection throws on parks its stream; a failure of SQLite undoes all and is
   * thrown on.
   */
  handle(readings: readonly Reading[]): void {
    const last = readings.at(-1)
    if (last === undefined) return
    try {
      this.#handleAll(readings, (reading) => this.#handleOne(reading))
    } catch (error) {
      if (isSqliteError(error) && !isConstraint(error)) throw error
      // One of them can't be handled. Savepoints find it, and cost too much to be set when all is well.
      this.#handleAll(readings, (reading) => this.#handleOrPark(reading))
    }
    this.#checkpoint = last.entry.position
  }

  /** The streams that wait, with the revision that each waits for. */
  parkedStreams(): { stream: string; revision: number }[] {
    const rows = this.#db.prepare('SELECT stream, revision FROM parked ORDER BY stream').all()
    return rows.map(({ stream, revision }) => ({ stream: String(stream), revision: Number(revision) }))
  }

  /**
   * Handles what waits of a parked stream, in one transaction: all that has been passed from its revision on. Where
   * one of them still can't be handled, the stream waits from there on. Tells whether none waits any more.
   */
  async retry(stream: string, waiting: AsyncIterable<Reading>): Promise<boolean> {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      this.#sql.unpark.run(stream)
      this.#parked.delete(stream)
      for await (const reading of waiting) {
        if (this.#parked.has(stream)) this.#sql.wait.run(stream)
        else this.#handleOrPark(reading)
      }
      this.#db.exec('COMMIT')
      return !this.#parked.has(stream)
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      this.#forgetUndone()
      throw error
    }
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

  #handleAll(readings: readonly Reading[], handle: (reading: Reading) => void): void {
    try {
      inTransaction(this.#db, () => {
        for (const reading of readings) {
          if (this.#parked.has(reading.entry.stream)) this.#sql.wait.run(reading.entry.stream)
          else handle(reading)
        }
        this.#sql.checkpoint.run(readings.at(-1)?.entry.position ?? null)
      })
    } catch (error) {
      this.#forgetUndone()
      throw error
    }
  }

  #forgetUndone(): void {
    this.#open = this.#reopen()
    this.#parked = readParked(this.#db)
  }

  #handleOne({ entry, fact }: Reading): void {
    if (fact instanceof Error) throw fact
    this.#open.handle(fact, eventOf(entry))
  }

  #handleOrPark(reading: Reading): void {
    const { stream, revision } = reading.entry
    const eventId = 'foreign' in reading.entry ? null : reading.entry.metadata.id
    this.#db.exec('SAVEPOINT event')
    try {
      this.#handleOne(reading)
    } catch (error) {
      if (isSqliteError(error) && !isConstraint(error)) throw error
      this.#db.exec('ROLLBACK TO event')
      this.#open = this.#reopen()
      this.#sql.park.run(stream, revision, eventId, describe(error))
      this.#parked.add(stream)
    }
    this.#db.exec('RELEASE event')
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

function readParked(db: DatabaseSync): Set<string> {
  const rows = db.prepare('SELECT stream FROM parked').all()
  return new Set(rows.map((row) => String(row['stream'])))
}

// A constraint that a projection's row breaks is the projection's mistake; every other failure is the disk's.
function isConstraint(error: Error): boolean {
  return 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === 19
}

// Without the message of an error that is not the ledger's own: it may quote what somebody wrote.
function describe(error: unknown): string {
  if (error instanceof Error && 'code' in error) return `${String(error.code)}: ${error.message}`
  return error instanceof Error ? error.name : 'an unknown error'
}
