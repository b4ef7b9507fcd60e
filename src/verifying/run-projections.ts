import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { projections } from '../../projections/index.ts'
import { readSettings } from '../config.ts'
import { projectionsPathIn } from '../data-folder.ts'
import { openLog } from '../event-store/open.ts'
import { grouped, statusLine } from '../status-line.ts'
import { type Doing, type Verdict, verifyProjections } from './projections.ts'
import { logLocation } from './run.ts'

/**
 * Verifies the projections of the data folder that `environment` names, with progress on stderr where that is a terminal.
 * What they are compared with is in a temporary folder meanwhile, which is deleted however it ends, but for a kill.
 */
export async function* runVerifyProjections(environment: NodeJS.ProcessEnv): AsyncGenerator<Verdict> {
  const settings = readSettings(environment)
  const log = await openLog(logLocation(settings))
  const line = statusLine(null)
  const scratch = mkdtempSync(join(tmpdir(), 'ledger-verify-'))
  const abort = new AbortController()
  const stop = () => abort.abort()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  try {
    const total = await log.countBehind(null)
    for await (const verdict of verifyProjections({
      log,
      folder: projectionsPathIn(settings.dataFolder),
      scratch,
      projections: Object.values(projections),
      signal: abort.signal,
      onProgress: (doing) => line.update(() => progressOf(doing, total)),
    })) {
      line.clear()
      yield verdict
    }
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, stop)
    line.clear()
    rmSync(scratch, { recursive: true, force: true })
    await log.close()
  }
}

function progressOf(doing: Doing, total: number): string {
  if ('comparing' in doing) return `comparing ${doing.comparing}`
  return `folding ${grouped(doing.folding)}/${grouped(total)} events`
}
