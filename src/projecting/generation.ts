import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import * as z from 'zod'
import { eventOf, type LogEntry } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import type { Fact } from '../ledger/interpret.ts'
import {
  type DatabaseKind,
  inTransaction,
  isSqliteError,
  openForReading,
  openForWriting,
  UnusableDatabase,
} from '../sqlite.ts'
import type { AnyProjection, OpenProjection } from './projection.ts'

/** A generation's own tables, beside those of its projection. */
const GENERATION: DatabaseKind = {
  applicationId: 0x4c50524b,
  migrations: [
    `
    CREATE TABLE generation (
      -- Null until the log could be asked which one it is.
      log TEXT,
      projection TEXT NOT NULL,
      version INTEGER NOT NULL,
      number INTEGER NOT NULL,
      checkpoint TEXT
    ) STRICT;
    -- The streams that wait because the projection could not handle one of their events.
    CREATE TABLE parked (
      stream TEXT PRIMARY KEY,
      revision INTEGER NOT NULL,
      event_id TEXT,
      error TEXT NOT NULL,
      waiting INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    `,
  ],
}

// Nothing here is worth waiting for the disk: after a crash the rows and the checkpoint are both a little older. NORMAL
// and not OFF, so that a machine that loses power cannot leave a file that looks whole and isn't.
const PRAGMAS = [
  'synchronous = NORMAL',
  'wal_autocheckpoint = 16000',
  'cache_size = -16384',
  'temp_store = MEMORY',
]

const META = 'SELECT log, projection, version, number, checkpoint FROM generation'

const Meta = z.object({
  log: z.string().nullable(),
  projection: z.string(),
  version: z.int(),
  number: z.int(),
  checkpoint: z.string().nullable(),
})

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
  readonly number: number
  readonly path: string
  readonly #db: DatabaseSync
  readonly #reopen: () => OpenProjection
  #open: OpenProjection
  #parked: Set<string>
  readonly #sql: Record<'checkpoint' | 'park' | 'wait' | 'bind', StatementSync>
  #checkpoint: Position | null
  #log: string | null

  /**
   * Opens the newest generation where it is of this version, else begins the next one and deletes what was there. `log`
   * is null while the log can't be asked which one it is. Throws `ForeignGeneration`.
   */
  static openNewest(folder: string, projection: AnyProjection, log: string | null): Generation {
    const home = join(folder, projection.name)
    mkdirSync(home, { recursive: true })
    const numbers = generationNumbers(home)
    const newest = numbers.at(-1) ?? 0
    const existing = newest === 0 ? null : Generation.#openUsable(home, projection, log, newest)
    for (const number of numbers) if (existing === null || number !== newest) deleteGeneration(home, number)
    return existing ?? new Generation(home, projection, log, newest + 1)
  }

  // Null for one that is damaged or of another version: a generation is never mended, only built again.
  static #openUsable(
    home: string,
    projection: AnyProjection,
    log: string | null,
    number: number,
  ): Generation | null {
    try {
      return new Generation(home, projection, log, number)
    } catch (error) {
      if (isSqliteError(error) || error instanceof UnusableDatabase) return null
      throw error
    }
  }

  private constructor(home: string, projection: AnyProjection, log: string | null, number: number) {
    this.number = number
    this.path = pathOf(home, number)
    const db = openForWriting(this.path, GENERATION, PRAGMAS)
    try {
      if (db.prepare('SELECT 1 FROM generation').get() === undefined) begin(db, projection, log, number)
      const meta = Meta.parse(db.prepare(META).get())
      this.#log = meta.log
      if (meta.version !== projection.version) throw new UnusableDatabase(`${this.path}: of another version`)
      this.#checkpoint = meta.checkpoint
      this.#parked = readParked(db)
      this.#reopen = () => projection.open(db)
      this.#open = this.#reopen()
      this.#sql = {
        checkpoint: db.prepare('UPDATE generation SET checkpoint = ?'),
        bind: db.prepare('UPDATE generation SET log = ?'),
        park: db.prepare(
          'INSERT INTO parked (stream, revision, event_id, error, waiting) VALUES (?, ?, ?, ?, 1)',
        ),
        wait: db.prepare('UPDATE parked SET waiting = waiting + 1 WHERE stream = ?'),
      }
      this.#db = db
      if (log !== null) this.bind(log)
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** The position of the last event that has been handled. */
  get checkpoint(): Position | null {
    return this.#checkpoint
  }

  /** How many streams wait for an event that could not be handled. */
  get parked(): number {
    return this.#parked.size
  }

  /** Says which log it is built from. Throws `ForeignGeneration` where that was another one. */
  bind(log: string): void {
    if (this.#log === log) return
    if (this.#log !== null)
      throw new ForeignGeneration(
        `${dirname(this.path)} was built from another log: delete it to build it from this one`,
      )
    this.#sql.bind.run(log)
    this.#log = log
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

  close(): void {
    this.#db.close()
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
      this.#open = this.#reopen()
      this.#parked = readParked(this.#db)
      throw error
    }
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

/** A generation's file as it is read, beside the thread that writes it. */
export class GenerationReader {
  readonly db: DatabaseSync
  readonly #meta: StatementSync
  readonly #parked: StatementSync

  constructor(path: string) {
    this.db = openForReading(path, GENERATION)
    this.#meta = this.db.prepare(META)
    this.#parked = this.db.prepare('SELECT 1 FROM parked WHERE stream = ?')
  }

  /** How far the rows go, in whatever transaction `db` is in. */
  checkpoint(): Position | null {
    return Meta.parse(this.#meta.get()).checkpoint
  }

  /** Whether events of this stream wait because one could not be handled. */
  isParked(stream: string): boolean {
    return this.#parked.get(stream) !== undefined
  }

  close(): void {
    this.db.close()
  }
}

function begin(
  db: DatabaseSync,
  { name, version, schema }: AnyProjection,
  log: string | null,
  number: number,
): void {
  inTransaction(db, () => {
    db.exec(schema)
    db.prepare('INSERT INTO generation (log, projection, version, number) VALUES (?, ?, ?, ?)').run(
      log,
      name,
      version,
      number,
    )
  })
}

function readParked(db: DatabaseSync): Set<string> {
  const rows = db.prepare('SELECT stream FROM parked').all()
  return new Set(rows.map((row) => String(row['stream'])))
}

function pathOf(home: string, number: number): string {
  return join(home, `${String(number).padStart(6, '0')}.sqlite`)
}

function generationNumbers(home: string): number[] {
  return readdirSync(home)
    .flatMap((name) => /^(\d{6})\.sqlite$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

function deleteGeneration(home: string, number: number): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${pathOf(home, number)}${suffix}`, { force: true })
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
