import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import type { EventLog } from '../../src/event-store/event-store.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import type { Generation } from '../../src/projecting/generation.ts'
import { openGenerations } from '../../src/projecting/opening.ts'
import { type AnyProjection, defineProjection } from '../../src/projecting/projection.ts'
import { type GenerationProgress, Projector } from '../../src/projecting/projector.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A log of its own in `folder`, closed when the test is finished. */
export async function openLog(folder = temporaryFolder()): Promise<SqliteEventStore> {
  const store = await SqliteEventStore.open({ path: join(folder, 'log.sqlite'), writer: 'folder-1' })
  onTestFinished(() => store.close())
  return store
}

/** A projection that writes down every event it is given; `mind` may throw instead, after the row was written. */
export function notebook(
  name: string,
  mind: (stream: string, revision: number) => void = () => {},
  version = 1,
): AnyProjection {
  return defineProjection({
    name,
    version,
    schema: 'CREATE TABLE note (stream TEXT NOT NULL, revision INTEGER NOT NULL) STRICT',
    tables: (db) => db.prepare('INSERT INTO note (stream, revision) VALUES (?, ?)'),
    queries: () => null,
    handle: (_, { stream, revision }, insert) => {
      insert.run(stream, revision)
      mind(stream, revision)
    },
  })
}

/** The rows of a generation's file, all tables but the one that says which build it is. */
export function rowsOf(path: string): Record<string, unknown[]> {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    const tables = db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'generation' ORDER BY name")
      .all()
      .map(({ name }) => String(name))
    return Object.fromEntries(tables.map((name) => [name, db.prepare(`SELECT * FROM ${name}`).all()]))
  } finally {
    db.close()
  }
}

/** The generation that is there, else one that begins at the beginning. */
function openOne(folder: string, projection: AnyProjection, id: string): Generation {
  const { generations, wanted } = openGenerations(folder, projection, id, true)
  const [generation] = generations
  if (generation === undefined || wanted !== null) throw new Error('there is one to be built')
  return generation
}

/** A projector over `projections`, stopped and closed when the test is finished, if it was not before. */
export async function project(log: EventLog, folder: string, ...projections: readonly AnyProjection[]) {
  const id = await log.id()
  const generations = new Map(
    projections.map((projection) => [projection.name, openOne(folder, projection, id)]),
  )
  /** Everything that was reported, oldest first. */
  const reports: (readonly GenerationProgress[])[] = []
  const damaged: string[] = []
  const projector = new Projector({
    log,
    generations: generations.values(),
    onProgress: (progress) => reports.push(progress),
    onDamaged: (generation) => damaged.push(generation.name),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  const abort = new AbortController()
  const running = projector.run(abort.signal)
  let stopped = false
  const stop = async () => {
    if (stopped) return
    stopped = true
    abort.abort()
    await running
  }
  onTestFinished(stop)
  const last = (name: string) => reports.at(-1)?.find((progress) => progress.name === name)
  return { projector, generations, reports, damaged, last, stop }
}
