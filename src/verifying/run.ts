import { existsSync } from 'node:fs'
import { ConfigMistake, readSettings, type Settings } from '../config.ts'
import { logPathIn } from '../data-folder.ts'
import { type LogLocation, openLog } from '../event-store/open.ts'
import { grouped, statusLine } from '../status-line.ts'
import { counted } from './counted.ts'
import { Notes } from './notes.ts'
import { verify, type Walk } from './verify.ts'

/** Verifies the log that `environment` names, with progress on stderr where that is a terminal. */
export async function runVerify(environment: NodeJS.ProcessEnv): Promise<Walk> {
  const log = await openLog(logLocation(readSettings(environment)))
  const notes = new Notes()
  const line = statusLine(null)
  try {
    const total = await log.countBehind(null)
    const begun = performance.now()
    return await verify(log, notes, (walk) => line.update(() => progressOf(walk, total, begun)))
  } finally {
    line.clear()
    notes.close()
    await log.close()
  }
}

/** What was found, in one line. */
export function verdict({ events, streams, misfit }: Walk): string {
  if (misfit === null)
    return `${counted(events, 'event')} in ${counted(streams, 'stream')}: every chain is whole`
  const { stream, revision, position, wrong } = misfit
  // Whoever changes a log can also write a name into it that is more than one line.
  return `${stream.replace(/\p{Cc}/gu, '?')}, revision ${revision}, position ${position}: ${wrong}`
}

/** The log that the ledger itself would open. */
export function logLocation({ eventStoreDbUrl, dataFolder }: Settings): LogLocation {
  if (eventStoreDbUrl !== null) return { engine: 'eventstoredb', url: eventStoreDbUrl }
  const path = logPathIn(dataFolder)
  if (!existsSync(path)) throw new ConfigMistake(`${dataFolder}: there is no log in it`)
  return { engine: 'sqlite', path }
}

function progressOf({ events, streams }: Walk, total: number, begun: number): string {
  const perSecond = (events / (performance.now() - begun)) * 1000
  return `${grouped(events)}/${grouped(total)} events  ${grouped(Math.round(perSecond))}/s  ${grouped(streams)} streams`
}
