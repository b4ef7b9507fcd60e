import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { eventOf, type LogEntry } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import type { Fact } from '../ledger/interpret.ts'
import { inTransaction, isSqliteError } from '../sqlite.ts'
import type { AnyProjection, OpenProjection } from './projection.ts'

/** An entry and what it says, read once for all projections; or why it could not be read. */
export interface Reading {
  readonly entry: LogEntry
  readonly fact: Fact | Error
}

/** A generation's rows, its checkpoint and the streams that wait: written together, one transaction for what is given at once. */
export class GenerationRows {
  readonly #db: DatabaseSync
  readonly #reopen: () => OpenProjection
  #open: OpenProjection
  #parked: Set<string>
  readonly #sql: Record<'checkpoint' | 'park' | 'unpark' | 'wait', StatementSync>

  /** `db` is of a generation whose tables are those of `projection`. */
  constructor(db: DatabaseSync, projection: AnyProjection) {
    this.#db = db
    this.#parked = readParked(db)
    this.#reopen = () => projection.open(db)
    this.#open = this.#reopen()
    this.#sql = {
      checkpoint: db.prepare('UPDATE generation SET checkpoint = ?'),
      park: db.prepare(
        'INSERT INTO parked (stream, revision, event_id, error, waiting) VALUES (?, ?, ?, ?, 1)',
      ),
      unpark: db.prepare('DELETE FROM parked WHERE stream = ?'),
      wait: db.prepare('UPDATE parked SET waiting = waiting + 1 WHERE stream = ?'),
    }
  }

  /** How many streams wait for an event that could not be handled. */
  get parked(): number {
    return this.#parked.size
  }

  /**
   * Handles events that follow each other in the log: rows and checkpoint in one transaction. An event that the projection
   * throws on parks its stream; a failure of SQLite undoes all and is thrown on.
   */
  handle(readings: readonly Reading[], checkpoint: Position): void {
    try {
      this.#handleAll(readings, checkpoint, (reading) => this.#handleOne(reading))
    } catch (error) {
      if (isSqliteError(error) && !isConstraint(error)) throw error
      // One of them can't be handled. Savepoints find it, and cost too much to be set when all is well.
      this.#handleAll(readings, checkpoint, (reading) => this.#handleOrPark(reading))
    }
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

  #handleAll(readings: readonly Reading[], checkpoint: Position, handle: (reading: Reading) => void): void {
    try {
      inTransaction(this.#db, () => {
        for (const reading of readings) {
          if (this.#parked.has(reading.entry.stream)) this.#sql.wait.run(reading.entry.stream)
          else handle(reading)
        }
        this.#sql.checkpoint.run(checkpoint)
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
