import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { isSqliteError } from './sqlite.ts'

/** The data folder can't be used: another process has it, or what is in it is not what should be. */
export class DataFolderError extends Error {
  override name = 'DataFolderError'
  readonly code: 'data-folder-in-use' | 'data-folder-unusable' | 'data-folder-of-another-log'

  constructor(code: DataFolderError['code'], message: string) {
    super(message)
    this.code = code
  }
}

const Identity = z.object({
  writer: z.uuid(),
  log: z.object({ engine: z.enum(['sqlite', 'eventstoredb']), id: z.uuid() }).optional(),
})
type Identity = z.infer<typeof Identity>

/** Which log a folder belongs to. */
export type FolderLog = NonNullable<Identity['log']>
const Owner = z.object({ pid: z.int(), host: z.string(), since: z.string() })

const WAIT_MS = 10_000
const TRY_EVERY_MS = 100

/** A data folder that this process owns until it closes it, or dies. */
export class DataFolder {
  readonly path: string
  /** The folder's random id, made once: it stands in every event that is written from it. */
  readonly writer: string
  readonly #lock: DatabaseSync
  #log: FolderLog | null

  /**
   * Makes the folder where there is none, and takes it; waits for another process that has it for at most `waitMs`
   * milliseconds. Rejects with `DataFolderError`.
   */
  static async open(path: string, since: string, waitMs = WAIT_MS): Promise<DataFolder> {
    let lock: DatabaseSync | null = null
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 })
      lock = await takeLock(path, waitMs)
      writeFileSync(join(path, 'owner.json'), JSON.stringify({ pid: process.pid, host: hostname(), since }))
      return new DataFolder(path, readOrMakeIdentity(path), lock)
    } catch (error) {
      lock?.close()
      if (error instanceof Error && 'code' in error && !(error instanceof DataFolderError))
        throw new DataFolderError('data-folder-unusable', `data folder ${path}: ${error.message}`)
      throw error
    }
  }

  private constructor(path: string, { writer, log }: Identity, lock: DatabaseSync) {
    this.path = path
    this.writer = writer
    this.#log = log ?? null
    this.#lock = lock
  }

  /** The log that the folder belongs to, null while it has none. */
  get log(): FolderLog | null {
    return this.#log
  }

  /** Remembers the log that the folder's projections are built from. */
  belongTo(log: FolderLog): void {
    if (this.#log?.id === log.id) return
    writeIdentity(this.path, { writer: this.writer, log })
    this.#log = log
  }

  get logPath(): string {
    return logPathIn(this.path)
  }

  get spoolPath(): string {
    return join(this.path, 'spool.sqlite')
  }

  get projectionsPath(): string {
    return projectionsPathIn(this.path)
  }

  close(): void {
    this.#lock.close()
  }
}

/** Where the embedded log of a data folder is, for who reads it beside its owner. */
export function logPathIn(folder: string): string {
  return join(folder, 'log.sqlite')
}

/** Where the projections of a data folder are, likewise. */
export function projectionsPathIn(folder: string): string {
  return join(folder, 'projections')
}

// SQLite's exclusive lock is one of the operating system, on every one of them, and goes with the process.
async function takeLock(path: string, waitMs: number): Promise<DatabaseSync> {
  const lock = new DatabaseSync(join(path, 'lock.sqlite'), { timeout: 0 })
  for (let waited = 0; ; waited += TRY_EVERY_MS) {
    try {
      lock.exec('BEGIN EXCLUSIVE')
      return lock
    } catch (error) {
      if (!isSqliteError(error) || !isBusy(error) || waited >= waitMs) {
        lock.close()
        if (isSqliteError(error) && isBusy(error))
          throw new DataFolderError('data-folder-in-use', inUse(path))
        throw error
      }
    }
    await delay(TRY_EVERY_MS)
  }
}

function isBusy(error: Error): boolean {
  return 'errcode' in error && error.errcode === 5
}

function inUse(path: string): string {
  const owner = Owner.safeParse(readJson(join(path, 'owner.json')))
  const who = owner.success
    ? `process ${owner.data.pid} on ${owner.data.host} since ${owner.data.since}`
    : 'another process'
  return `data folder ${path} is in use by ${who}`
}

function readOrMakeIdentity(path: string): Identity {
  const file = join(path, 'folder.json')
  const found = readJson(file)
  if (found === null) {
    const identity = { writer: randomUUID() }
    writeIdentity(path, identity)
    return identity
  }
  const identity = Identity.safeParse(found)
  if (!identity.success) throw new DataFolderError('data-folder-unusable', `${file}: is damaged`)
  return identity.data
}

// Whole or not at all: the writer's id is in every event and must not be lost.
function writeIdentity(path: string, identity: Identity): void {
  const file = join(path, 'folder.json')
  writeFileSync(`${file}.new`, `${JSON.stringify(identity)}\n`, { flush: true })
  renameSync(`${file}.new`, file)
}

// Null where there is no such file; what is no JSON is `undefined`, which no schema takes.
function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
