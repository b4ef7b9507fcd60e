/** The thread that keeps the projections up with the log, off the one that serves HTTP. */

import { setTimeout as delay } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { projections } from '../../projections/index.ts'
import { type LogLocation, openLog } from '../event-store/open.ts'
import { Generation } from './generation.ts'
import { type Progress, Projector } from './projector.ts'

/** What the thread is told first. */
export interface ProjectorData {
  readonly location: LogLocation
  /** Where the generations are. */
  readonly folder: string
}

/** What it tells: first which file each projection is read from, then how far they are, whenever that changes. */
export type ProjectorReport =
  | { readonly opened: readonly { readonly name: string; readonly path: string; readonly number: number }[] }
  | { readonly progress: readonly Progress[] }

const port = parentPort
if (port === null) throw new Error('runs as a worker thread')
const { location, folder } = await new Promise<ProjectorData>((resolve) => port.once('message', resolve))
const report = (message: ProjectorReport): void => port.postMessage(message)

const stop = new AbortController()
port.once('message', () => stop.abort())

const log = await openLog(location)
// A log that can't be reached now is asked again, by the projector, until it answers.
const id = await log.id().catch(() => null)
const generations = new Map(
  Object.values(projections).map((projection) => [
    projection.name,
    Generation.openNewest(folder, projection, id),
  ]),
)
report({ opened: Array.from(generations, ([name, { path, number }]) => ({ name, path, number })) })

const projector = new Projector({
  log,
  generations,
  onProgress: (progress) => report({ progress }),
  pause: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => {}),
})
await projector.run(stop.signal)

for (const generation of generations.values()) generation.close()
await log.close()
port.close()
