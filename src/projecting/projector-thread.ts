/** The thread that keeps the generations up with the log, off the one that serves HTTP. */

import { setTimeout as delay } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { findProjectionName, projections } from '../../projections/index.ts'
import { type LogLocation, openLog } from '../event-store/open.ts'
import type { Position } from '../ledger/event.ts'
import { Generation } from './generation.ts'
import { isDamageOnOpening } from './generation-file.ts'
import { openGenerations, type Wanted } from './opening.ts'
import { reasonOf } from './pages.ts'
import { type GenerationProgress, Projector, type Retried } from './projector.ts'

/** What the thread is told first. */
export interface ProjectorData {
  readonly location: LogLocation
  /** Where the generations are. */
  readonly folder: string
}

/** What it is asked later, each of one generation; or to stop. */
export interface ProjectorErrand {
  readonly id: number
  readonly errand: 'adopt' | 'drop' | 'release' | 'retry'
  readonly name: string
  readonly number: number
}

/** A generation that is kept up, as it was when it was opened. */
export interface OpenedGeneration {
  readonly number: number
  readonly path: string
  readonly held: boolean
  readonly checkpoint: Position | null
}

export interface OpenedProjection {
  readonly name: string
  /** The one that is read first. */
  readonly generations: readonly OpenedGeneration[]
  readonly wanted: Wanted | null
  /** The highest number that any has had. */
  readonly highest: number
}

/** What it tells: first what it opened, then how far that is, whenever it changes, and what became of its errands. */
export type ProjectorReport =
  | { readonly opened: readonly OpenedProjection[] }
  | { readonly progress: readonly GenerationProgress[] }
  | { readonly damaged: { readonly name: string; readonly number: number; readonly reason: string } }
  | { readonly id: number; readonly done: OpenedGeneration | Retried | null }
  | { readonly id: number; readonly failed: string; readonly isDamage: boolean }

const port = parentPort
if (port === null) throw new Error('runs as a worker thread')
const { location, folder } = await new Promise<ProjectorData>((resolve) => port.once('message', resolve))
const report = (message: ProjectorReport): void => port.postMessage(message)

const log = await openLog(location)
// A log that can't be reached now is asked again, by the projector, until it answers.
const id = await log.id().catch(() => null)
const isEmpty =
  id !== null &&
  (await log.head().then(
    (head) => head === null,
    () => false,
  ))
const generations: Generation[] = []
report({
  opened: Object.values(projections).map((projection) => {
    const { generations: found, wanted, highest } = openGenerations(folder, projection, id, isEmpty)
    generations.push(...found)
    return { name: projection.name, generations: found.map(described), wanted, highest }
  }),
})

const projector = new Projector({
  log,
  generations,
  onProgress: (progress) => report({ progress }),
  onDamaged: ({ name, number }, reason) => report({ damaged: { name, number, reason } }),
  pause: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => {}),
})

const stop = new AbortController()
port.on('message', (message: ProjectorErrand | 'stop') => {
  if (message === 'stop') stop.abort()
  else
    run(message).then(
      (done) => report({ id: message.id, done }),
      (error: unknown) =>
        report({ id: message.id, failed: reasonOf(error), isDamage: isDamageOnOpening(error) }),
    )
})
await projector.run(stop.signal)
await log.close()
port.close()

async function run({ errand, name, number }: ProjectorErrand): Promise<OpenedGeneration | Retried | null> {
  switch (errand) {
    case 'adopt':
      return adopt(name, number)
    case 'drop':
      await projector.drop(name, number)
      return null
    case 'release':
      await projector.release(name, number)
      return null
    case 'retry':
      return projector.retry(name, number)
  }
}

async function adopt(name: string, number: number): Promise<OpenedGeneration | null> {
  const known = findProjectionName(name)
  if (known === undefined) return null
  return described(await projector.adopt(() => Generation.open(folder, projections[known], number, null)))
}

function described({ number, path, held, checkpoint }: Generation): OpenedGeneration {
  return { number, path, held, checkpoint }
}
