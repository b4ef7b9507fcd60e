import { setTimeout as delay } from 'node:timers/promises'
import { statusLine } from '../status-line.ts'
import { progressText } from './progress-text.ts'
import { type Projection, RemoteLedger, RemoteRefusal, RemoteSilence } from './remote-ledger.ts'

export interface RebuildOptions {
  readonly url: string
  readonly key: string
}

const ASK_EVERY_MS = 250
/** Where nobody rewrites the line, it is said anew each so often. */
const SAY_EVERY_MS = 5_000
/** A ledger that is silent for so long, in milliseconds, is taken for gone; the rebuild goes on when it is back. */
const SILENT_MS = 30_000

/**
 * Has a running ledger rebuild projections, all of them where none is named, and waits until they are read. Gives what
 * there is to say at the end. Rejects with `RemoteRefusal` and `RemoteSilence`.
 */
export async function runRebuild(names: readonly string[], { url, key }: RebuildOptions): Promise<string[]> {
  const ledger = new RemoteLedger(url, key)
  const before = await ledger.projections()
  const asked = names.length === 0 ? before.map(({ name }) => name) : [...new Set(names)]
  for (const name of asked)
    if (!before.some((one) => one.name === name))
      throw new RemoteRefusal(`no projection is called ${name}; there are: ${listed(before)}`)
  // All at once: then one pass over the log is enough for all.
  await Promise.all(asked.map((name) => ledger.rebuild(name)))
  const generations = new Map(before.map(({ name, generation }) => [name, generation]))
  const line = statusLine(SAY_EVERY_MS)
  try {
    for (;;) {
      const current = (await patiently(ledger)).filter(({ name }) => asked.includes(name))
      const open = current.filter(({ rebuild }) => rebuild !== null && !isBuiltAndHeld(rebuild))
      if (open.length === 0) return current.map((one) => outcome(one, generations.get(one.name) ?? null))
      line.update(() => progressText(open))
      await delay(ASK_EVERY_MS)
    }
  } finally {
    line.clear()
  }
}

// A ledger that is restarted meanwhile goes on with the rebuild, and so does this.
async function patiently(ledger: RemoteLedger): Promise<Projection[]> {
  const until = performance.now() + SILENT_MS
  for (;;)
    try {
      return await ledger.projections()
    } catch (error) {
      if (!(error instanceof RemoteSilence) || performance.now() >= until) throw error
      await delay(ASK_EVERY_MS)
    }
}

function isBuiltAndHeld({ held, handled, total }: NonNullable<Projection['rebuild']>): boolean {
  return held && total > 0 && handled === total
}

function outcome({ name, generation, rebuild, reason }: Projection, before: number | null): string {
  if (rebuild !== null) return `${name}: built and held; it is read when it is switched to`
  if (generation === before || generation === null)
    throw new RemoteRefusal(`${name}: the rebuild was cancelled${reason === null ? '' : `: ${reason}`}`)
  return `${name}: generation ${generation} is read`
}

function listed(projections: readonly Projection[]): string {
  return projections.map(({ name }) => name).join(', ')
}
