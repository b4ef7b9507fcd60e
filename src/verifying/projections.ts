import { existsSync } from 'node:fs'
import { setImmediate as otherWork } from 'node:timers/promises'
import type { EventLog } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import { ForeignGeneration, Generation } from '../projecting/generation.ts'
import { homeOf, META, Meta, pathOf, wholeNumbers } from '../projecting/generation-file.ts'
import { GenerationReader } from '../projecting/generation-reader.ts'
import { readingOf } from '../projecting/pages.ts'
import { compareValues } from '../projecting/pairs.ts'
import type { AnyProjection } from '../projecting/projection.ts'
import { comparedTables, SchemasDiffer } from '../projecting/rows.ts'
import { isSqliteError } from '../sqlite.ts'
import { type Comparison, compareRows } from './compare-rows.ts'
import { counted } from './counted.ts'

export interface ProjectionsToVerify {
  readonly log: EventLog
  /** Where the generations are that are served. */
  readonly folder: string
  /** An empty folder, for those that they are compared with. */
  readonly scratch: string
  readonly projections: readonly AnyProjection[]
  readonly signal: AbortSignal
  readonly onProgress: (doing: Doing) => void
}

/** What is being done: events are folded first, of all projections together; then rows are compared. */
export type Doing = { readonly folding: number } | { readonly comparing: string }

/** What was found of one projection. */
export interface Verdict {
  readonly name: string
  /** `absent`: nothing is served. */
  readonly outcome: 'same' | 'differs' | 'absent'
  /** What to say of it. */
  readonly lines: readonly string[]
}

const PAGE = 10_000

/**
 * Folds the log anew, up to where each projection is, and compares the rows with those that are served, beside a ledger
 * that runs or not. Rejects with `StoreError` where the log can't be read, with `ForeignGeneration` where what is served
 * was built from another log, and where `signal` aborts.
 */
export async function* verifyProjections(asked: ProjectionsToVerify): AsyncGenerator<Verdict> {
  const { log, projections, scratch, onProgress } = asked
  const id = await log.id()
  const positions = new Map<AnyProjection, Position | null>()
  for (const projection of projections) {
    using served = openServed(asked.folder, projection, id)
    if (served !== null) positions.set(projection, served.reader.checkpoint())
  }
  const generations = new Map(
    Array.from(positions.keys(), (projection) => [projection, Generation.make(scratch, projection, id)]),
  )
  try {
    let folded = 0
    const fold = (some: readonly Generation[], upTo: Position | null) =>
      foldUpTo(asked, some, upTo, (events) => {
        folded += events
        onProgress({ folding: folded })
      })
    // All in one pass, as far as all are. What comes behind that is folded in sight of the rows it is compared with: they
    // are in a transaction then, which a ledger that runs should not be held up by for long.
    await fold([...generations.values()], lowest([...positions.values()]))
    for (const projection of projections) {
      const { name } = projection
      onProgress({ comparing: name })
      const generation = generations.get(projection)
      using served = generation === undefined ? null : openServed(asked.folder, projection, id)
      if (generation === undefined || served === null) yield absent(name)
      else {
        served.reader.db.exec('BEGIN')
        const position = served.reader.checkpoint()
        await fold([generation], position)
        generation.close()
        yield generation.checkpoint === position
          ? await verdictOn(projection, served, generation, asked.signal)
          : { name, outcome: 'differs', lines: [`goes up to ${position}, and the log does not`] }
      }
    }
  } finally {
    for (const generation of generations.values()) generation.close()
  }
}

async function verdictOn(
  projection: AnyProjection,
  served: Served,
  { path, checkpoint }: Generation,
  signal: AbortSignal,
): Promise<Verdict> {
  const { name, version } = projection
  if (served.version !== version) {
    const line = `was built by version ${served.version} of the projection, and this is version ${version}`
    return { name, outcome: 'differs', lines: [`${line}: rebuild it`] }
  }
  const fromLog = new GenerationReader(path)
  try {
    const tables = comparedTables(projection)
    return verdictOf(name, checkpoint, await compareRows(served.reader.db, fromLog.db, tables, signal))
  } catch (error) {
    if (!(error instanceof SchemasDiffer)) throw error
    return { name, outcome: 'differs', lines: [error.message] }
  } finally {
    fromLog.close()
  }
}

function verdictOf(name: string, position: Position | null, found: Comparison): Verdict {
  const { rows, sha256, differences, first, waiting } = found
  if (differences > 0) {
    const more = differences > first.length ? [`${counted(differences, 'difference')} in all`] : []
    return { name, outcome: 'differs', lines: [...first, ...more] }
  }
  const at = position === null ? '' : ` at ${position}`
  const wait = waiting === 0 ? '' : `; ${counted(waiting, 'stream')} could not be handled to the end`
  const says = rows === 1 ? 'row is' : 'rows are'
  return {
    name,
    outcome: 'same',
    lines: [`${rows} ${says} what the log says (digest ${sha256}${at})${wait}`],
  }
}

function absent(name: string): Verdict {
  return { name, outcome: 'absent', lines: ['nothing is served: it has not been built'] }
}

/** A generation's file that is read by a ledger, or will be. */
interface Served extends Disposable {
  readonly reader: GenerationReader
  readonly version: number
}

// Null where there is none. A ledger that runs may delete one that is just being looked for, and read from another.
function openServed(folder: string, { name }: AnyProjection, log: string): Served | null {
  const home = homeOf(folder, name)
  if (!existsSync(home)) return null
  for (let tries = 3; ; tries--)
    try {
      return furthestOf(home, log)
    } catch (error) {
      if (!isSqliteError(error) || tries === 1) throw error
    }
}

// Of two that are not held the newer one takes over when it is as far as the other.
function furthestOf(home: string, log: string): Served | null {
  const found = wholeNumbers(home).flatMap((number) => {
    const reader = new GenerationReader(pathOf(home, number))
    const meta = Meta.parse(reader.db.prepare(META).get())
    reader.close()
    return meta.held ? [] : [meta]
  })
  const [served] = found.toSorted(
    (a, b) => compareValues(b.checkpoint, a.checkpoint) || compareValues(b.number, a.number),
  )
  if (served === undefined) return null
  if (served.log !== null && served.log !== log)
    throw new ForeignGeneration(`${home} was built from another log`)
  const reader = new GenerationReader(pathOf(home, served.number))
  return { reader, version: served.version, [Symbol.dispose]: () => reader.close() }
}

// Generations that are at one place.
async function foldUpTo(
  { log, signal }: ProjectionsToVerify,
  generations: readonly Generation[],
  upTo: Position | null,
  onFolded: (events: number) => void,
): Promise<void> {
  let after = generations[0]?.checkpoint ?? null
  while (upTo !== null && after !== upTo) {
    await otherWork(undefined, { signal })
    const readings = (await log.readAll(after, PAGE, upTo)).map(readingOf)
    const last = readings.at(-1)
    if (last === undefined) return
    for (const generation of generations) generation.handle(readings)
    after = last.entry.position
    onFolded(readings.length)
  }
}

function lowest(positions: readonly (Position | null)[]): Position | null {
  return positions.reduce<Position | null>(
    (low, one) => (low === null || one === null ? null : one < low ? one : low),
    positions[0] ?? null,
  )
}
