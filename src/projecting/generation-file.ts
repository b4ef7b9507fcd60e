import { closeSync, fsyncSync, openSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { type DatabaseKind, isSqliteError, openForReading, UnusableDatabase } from '../sqlite.ts'

/** A generation's own tables, beside those of its projection. */
export const GENERATION: DatabaseKind = {
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
    `
    -- The SQL that made the projection's tables; null where that was an earlier release.
    ALTER TABLE generation ADD COLUMN schema TEXT;
    -- Whether it is not to be read until somebody says so.
    ALTER TABLE generation ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    -- Of its rebuild: when it began and how many events it took.
    ALTER TABLE generation ADD COLUMN started_at TEXT;
    ALTER TABLE generation ADD COLUMN handled INTEGER;
    `,
  ],
}

export const META =
  'SELECT log, projection, version, number, checkpoint, schema, held, started_at, handled FROM generation'

export const Meta = z.object({
  log: z.string().nullable(),
  projection: z.string(),
  version: z.int(),
  number: z.int(),
  checkpoint: z.string().nullable(),
  schema: z.string().nullable(),
  held: z.int().transform((value) => value === 1),
  started_at: z.string().nullable(),
  handled: z.int().nullable(),
})
export type Meta = z.infer<typeof Meta>

/** Where a projection's generations are. */
export function homeOf(folder: string, name: string): string {
  return join(folder, name)
}

/** The file of a whole generation. */
export function pathOf(home: string, number: number): string {
  return join(home, `${String(number).padStart(6, '0')}.sqlite`)
}

/** The file of one that is being built. It bears the name of a whole one only when it is one. */
export function buildingPathOf(home: string, number: number): string {
  return join(home, `${String(number).padStart(6, '0')}.building.sqlite`)
}

/** The whole generations, oldest first. */
export function wholeNumbers(home: string): number[] {
  return numbersIn(home, /^(\d{6})\.sqlite$/)
}

/** Those whose building was begun and not finished, oldest first. */
export function buildingNumbers(home: string): number[] {
  return numbersIn(home, /^(\d{6})\.building\.sqlite$/)
}

/** The highest number that is in use; 0 where none is. */
export function highestNumber(home: string): number {
  return Math.max(0, ...wholeNumbers(home), ...buildingNumbers(home))
}

/** Deletes what is there of a generation, whole or not; nothing may have it open. */
export function deleteGeneration(home: string, number: number): void {
  for (const path of [pathOf(home, number), buildingPathOf(home, number)]) deleteDatabase(path)
}

export function deleteDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
}

/** Whether a generation whose building was not finished is not to be read until somebody says so. */
export function isHeldBuild(home: string, number: number): boolean {
  try {
    const db = openForReading(buildingPathOf(home, number), GENERATION)
    try {
      return Meta.parse(db.prepare(META).get()).held
    } finally {
      db.close()
    }
  } catch {
    // Whatever is wrong with it: it is going to be deleted.
    return false
  }
}

/** Whether SQLite says of a file that it is not as it was written: nothing to wait for, it must be built again. */
export function isDamage(error: unknown): boolean {
  if (error instanceof UnusableDatabase) return true
  return isSqliteError(error) && 'errcode' in error && DAMAGE.has(Number(error.errcode) & 0xff)
}

// A table that is gone is a plain error to SQLite, and found when a generation is opened.
const SQLITE_ERROR = 1
const DAMAGE = new Set([11, 26])

/** The same, of a file that is just being opened. */
export function isDamageOnOpening(error: unknown): boolean {
  if (isDamage(error)) return true
  return isSqliteError(error) && 'errcode' in error && Number(error.errcode) === SQLITE_ERROR
}

/** Makes a file durable that was written without waiting for the disk, and the name that it has. */
export function flush(path: string): void {
  flushFile(path, 'r+')
}

/** Makes durable what a folder lists. */
export function flushFolderOf(path: string): void {
  // Windows has no such thing.
  if (process.platform !== 'win32') flushFile(dirname(path), 'r')
}

function flushFile(path: string, flags: string): void {
  const descriptor = openSync(path, flags)
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function numbersIn(home: string, pattern: RegExp): number[] {
  return readdirSync(home)
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}
