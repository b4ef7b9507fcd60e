import { existsSync, rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../clock.ts'
import { ConfigMistake, readSettings } from '../config.ts'
import { DataFolder, logPathIn } from '../data-folder.ts'
import type { CopyTarget } from '../event-store/event-store.ts'
import { LogMoved, type Moved, markMoved, movedTo } from '../event-store/sqlite/moved.ts'
import { SqliteLog } from '../event-store/sqlite/sqlite-log.ts'
import { grouped, type StatusLine, statusLine } from '../status-line.ts'
import { type Copied, type CopyProgress, copyLog } from './copy.ts'
import { openTarget, placeOf } from './target.ts'

/** Where progress is no line that is rewritten, it is one that comes this often, in milliseconds. */
const LINE_EVERY_MS = 10_000

/**
 * Moves the embedded log that `environment` names to `to`, and the data folder with it: nothing is appended to the
 * embedded log any more, and the next start is with EVENTSTOREDB_URL. Answers what to say of it.
 */
export async function runCopy(
  { to }: { readonly to: string },
  environment: NodeJS.ProcessEnv,
  open: (url: string) => Promise<CopyTarget> = openTarget,
): Promise<string> {
  const { dataFolder } = readSettings(environment)
  if (!existsSync(logPathIn(dataFolder))) throw new ConfigMistake(`${dataFolder}: there is no log in it`)
  const target = await open(to)
  const clock = systemClock()
  try {
    const folder = await DataFolder.open(dataFolder, clock())
    try {
      const toLog = await target.id()
      const before = movedTo(folder.logPath)
      if (before !== null && before.toLog !== toLog) throw new LogMoved(folder.logPath, before)
      const moved = before ?? { toLog, toPlace: placeOf(to), at: clock() }
      const copied = before === null ? await copyAll(folder.logPath, target) : null
      if (before === null) markMoved(folder.logPath, moved)
      handOver(folder, moved)
      return report(copied, moved)
    } finally {
      folder.close()
    }
  } finally {
    await target.close()
  }
}

async function copyAll(path: string, target: CopyTarget): Promise<Copied> {
  const source = new SqliteLog(path)
  const line = statusLine(LINE_EVERY_MS)
  try {
    return await copyLog({ source, target, onProgress: showOn(line), pause: (ms) => delay(ms) })
  } finally {
    line.clear()
    await source.close()
  }
}

// Its projections were built from the log that was left: they are built anew from the one that it belongs to now.
function handOver(folder: DataFolder, { toLog }: Moved): void {
  rmSync(folder.projectionsPath, { recursive: true, force: true })
  folder.belongTo({ engine: 'eventstoredb', id: toLog })
}

function report(copied: Copied | null, { toPlace, at }: Moved): string {
  const next = 'Start with EVENTSTOREDB_URL from now on; the projections will be built anew.'
  if (copied === null) return `this log was moved to ${toPlace} at ${at} already\n${next}`
  const { events, before } = copied
  const there = before === 0 ? '' : `, ${grouped(before)} of which were there before`
  return `${grouped(events)} events copied to ${toPlace}${there}; both logs are the same\n${next}`
}

const BAR = 24

function showOn(line: StatusLine): (progress: CopyProgress) => void {
  let begun = { phase: '', at: 0, events: 0 }
  return ({ phase, events, total }) => {
    if (phase !== begun.phase) begun = { phase, at: performance.now(), events }
    line.update(() => {
      const share = total === 0 ? 1 : Math.min(events / total, 1)
      const bar = '#'.repeat(Math.floor(share * BAR)).padEnd(BAR, '.')
      const perSecond = ((events - begun.events) / (performance.now() - begun.at || 1)) * 1000
      return `${phase}  [${bar}] ${grouped(events)}/${grouped(total)}  ${grouped(Math.round(perSecond))}/s`
    })
  }
}
