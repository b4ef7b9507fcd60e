/** The thread that builds generations anew. It lives as long as there is one to build. */

import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { findProjectionName, projections } from '../../projections/index.ts'
import { systemClock } from '../clock.ts'
import { openLog } from '../event-store/open.ts'
import { Builder, type BuildOrder, type BuildProgress } from './builder.ts'
import type { ProjectorData } from './projector-thread.ts'

/** What it is told, after where the log and the generations are. */
export type BuilderErrand =
  | { readonly begin: string; readonly order: BuildOrder }
  | { readonly cancel: string }
  | 'stop'

/** What it tells. A build that was cancelled may have been told to be built just before. */
export type BuilderReport =
  | { readonly building: readonly BuildProgress[] }
  | { readonly built: { readonly name: string; readonly number: number } }
  | { readonly cancelled: string }

/** So many steps less urgent than the threads that serve, as `nice` counts. */
const NICE = 10

const port = parentPort
if (port === null) throw new Error('runs as a worker thread')
const report = (message: BuilderReport): void => port.postMessage(message)
// Linux alone has a priority for each thread; elsewhere it would be that of the whole process.
if (process.platform === 'linux') setPriority(NICE)

// Listened to from the first: what is sent while nobody listens is lost.
const early: BuilderErrand[] = []
let take = (errand: BuilderErrand): void => {
  early.push(errand)
}
const { location, folder } = await new Promise<ProjectorData>((resolve) => {
  port.once('message', (data: ProjectorData) => {
    port.on('message', (errand: BuilderErrand) => take(errand))
    resolve(data)
  })
})
const stop = new AbortController()
const log = await openLog(location)
const builder = new Builder({
  log,
  folder,
  clock: systemClock(),
  onProgress: (building) => report({ building }),
  onBuilt: (name, number) => report({ built: { name, number } }),
  pause: (milliseconds, signal) => delay(milliseconds, undefined, { signal }).catch(() => {}),
})
take = (errand) => {
  if (errand === 'stop') stop.abort()
  else if ('cancel' in errand)
    builder.cancel(errand.cancel).then(() => report({ cancelled: errand.cancel }), fail)
  else {
    const name = findProjectionName(errand.begin)
    if (name !== undefined) builder.begin(projections[name], errand.order).catch(fail)
  }
}
for (const errand of early) take(errand)
await builder.run(stop.signal)
await log.close()
port.close()

function fail(error: unknown): void {
  throw error
}
