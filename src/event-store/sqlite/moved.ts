import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { openForWriting } from '../../sqlite.ts'
import { LOG } from './schema.ts'

/** Where a log went on. */
export interface Moved {
  /** The id of the log that it was copied to. */
  readonly toLog: string
  /** Where that one is, for people. Holds no credentials. */
  readonly toPlace: string
  readonly at: string
}

/** The log went on elsewhere: it can be read, but nothing is appended to it. */
export class LogMoved extends Error {
  override name = 'LogMoved'
  readonly code = 'log-moved'

  constructor(path: string, { toPlace, at }: Moved) {
    super(`${path}: was moved to ${toPlace} at ${at}; start with EVENTSTOREDB_URL, which names that place`)
  }
}

const Row = z
  .object({ to_log: z.string(), to_place: z.string(), at: z.string() })
  .transform((row): Moved => ({ toLog: row.to_log, toPlace: row.to_place, at: row.at }))
  .optional()

/** Where the log at `path` was moved to, null while it was not. The caller must own it: it is migrated if need be. */
export function movedTo(path: string): Moved | null {
  return withLog(path, readMoved)
}

/** Marks the log at `path`, of which the caller must be the owner, as moved. */
export function markMoved(path: string, { toLog, toPlace, at }: Moved): void {
  withLog(path, (db) => {
    db.prepare('INSERT INTO moved (to_log, to_place, at) VALUES (?, ?, ?)').run(toLog, toPlace, at)
  })
}

/** Closes the log and throws `LogMoved` where it was moved. */
export function refuseMoved(db: DatabaseSync, path: string): void {
  const moved = readMoved(db)
  if (moved === null) return
  db.close()
  throw new LogMoved(path, moved)
}

function readMoved(db: DatabaseSync): Moved | null {
  return Row.parse(db.prepare('SELECT to_log, to_place, at FROM moved').get()) ?? null
}

function withLog<T>(path: string, work: (db: DatabaseSync) => T): T {
  const db = openForWriting(path, LOG, ['synchronous = FULL', 'fullfsync = ON'])
  try {
    return work(db)
  } finally {
    db.close()
  }
}
