import { DatabaseSync } from 'node:sqlite'

/** A SQLite file that can't be used as it is: newer than this code, or another kind of file. */
export class UnusableDatabase extends Error {
  override name = 'UnusableDatabase'
  readonly code = 'database-unusable'
}

export interface DatabaseKind {
  /** Written into the file, so that one kind is never taken for another. A 32-bit number. */
  readonly applicationId: number
  /** Each brings the file one version further; only ever appended to. */
  readonly migrations: readonly string[]
}

/**
 * Opens a database that this process writes, made or migrated as needed, in WAL mode. Throws `UnusableDatabase` for a
 * file of another kind or of a newer release.
 */
export function openForWriting(path: string, kind: DatabaseKind, pragmas: readonly string[]): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: 5_000 })
  try {
    const version = checkedVersion(db, path, kind)
    db.exec('PRAGMA journal_mode = WAL')
    for (const pragma of pragmas) db.exec(`PRAGMA ${pragma}`)
    if (version < kind.migrations.length) migrate(db, kind, version)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens a database that another connection of this process writes. It must exist and be of this release. */
export function openForReading(path: string, kind: DatabaseKind): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  try {
    if (checkedVersion(db, path, kind) !== kind.migrations.length)
      throw new UnusableDatabase(`${path}: of another release`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Runs `work` in one transaction; an error in it undoes everything and is thrown on. */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    // A full disk ends the transaction by itself.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Whether it is SQLite that failed (a full disk, an unreadable page), not the caller. */
export function isSqliteError(error: unknown): error is Error & { code: 'ERR_SQLITE_ERROR' } {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'
}

function checkedVersion(db: DatabaseSync, path: string, { applicationId, migrations }: DatabaseKind): number {
  const foundId = headerNumber(db, path, 'application_id')
  const version = headerNumber(db, path, 'user_version')
  if (foundId !== applicationId && (foundId !== 0 || version !== 0))
    throw new UnusableDatabase(`${path}: not the kind of file that belongs there`)
  if (version > migrations.length) throw new UnusableDatabase(`${path}: written by a newer release`)
  return version
}

function migrate(db: DatabaseSync, { applicationId, migrations }: DatabaseKind, version: number): void {
  inTransaction(db, () => {
    for (const migration of migrations.slice(version)) db.exec(migration)
    db.exec(`PRAGMA application_id = ${applicationId}`)
    db.exec(`PRAGMA user_version = ${migrations.length}`)
  })
}

const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

function headerNumber(db: DatabaseSync, path: string, pragma: string): number {
  try {
    return Number(Object.values(db.prepare(`PRAGMA ${pragma}`).get() ?? {})[0] ?? 0)
  } catch (error) {
    if (!isSqliteError(error) || !('errcode' in error)) throw error
    if (error.errcode !== SQLITE_CORRUPT && error.errcode !== SQLITE_NOTADB) throw error
    throw new UnusableDatabase(`${path}: is damaged, or no database`, { cause: error })
  }
}
