import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { isSqliteError } from './sqlite.ts'

/** The data folder can't be used: another process has it, or what is in it is not what should be. */
export class DataFolderError extends Error {
  override name = 'DataFolderError'
  readonly code: 'data-folder-in-use' | 'data-folder-unusable'

  constructor(code: DataFolderError['code'], message: string) {
    super(message)
    this.code = code
  }
}

const Identity = z.object({ writer: z.uuid() })
const Owner = z.object({ pid: z.int(), host: z.string(), since: z.string() })

const WAIT_MS = 10_000
const TRY_EVERY_MS = 100

/** A data folder that this process owns until it closes it, or dies. */
export class DataFolder {
  readonly path: string
  /** The folder's random id, made once: it stands in every event that is written from it. */
  readonly writer: string
  readonly #lock: DatabaseSync

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

  private constructor(path: string, writer: string, lock: DatabaseSync) {
    this.path = path
    this.writer = writer
    this.#lock = lock
  }

  get logPath(): string {
    return join(this.path, 'log.sqlite')
  }

  get projectionsPath(): string {
    return join(this.path, 'projections')
  }

  close(): void {
    this.#lock.close()
  }
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

function readOrMakeIdentity(path: string): string {
  const file = join(path, 'folder.json')
  const found = readJson(file)
  if (found === null) {
    const identity = { writer: randomUUID() }
    writeFileSync(file, `${JSON.stringify(identity)}\n`, { flush: true })
    return identity.writer
  }
  const identity = Identity.safeParse(found)
  if (!identity.success) throw new DataFolderError('data-folder-unusable', `${file}: is damaged`)
  return identity.data.writer
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
