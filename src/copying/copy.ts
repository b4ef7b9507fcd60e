import { type CopyTarget, type EventLog, eventOf, StoreError } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import { backoff } from '../waiting.ts'
import { compare, differenceAt, NOTHING } from './compare.ts'

export interface CopyProgress {
  readonly phase: 'comparing what is there' | 'copying' | 'comparing both'
  readonly events: number
  readonly total: number
}

export interface CopyOptions {
  /** Nothing may be appended to it meanwhile. */
  readonly source: EventLog
  readonly target: CopyTarget
  readonly onProgress?: (progress: CopyProgress) => void
  /** Waits that many milliseconds. */
  readonly pause: (milliseconds: number) => Promise<void>
}

export interface Copied {
  /** How many events both logs have. */
  readonly events: number
  /** How many of them were there before. */
  readonly before: number
}

const PAGE = 1_000
/** Before a page that failed is tried again, in milliseconds: twice as long each time that it fails once more. */
const RETRY_MS = { first: 500, most: 15_000 }
const MOST_RETRIES = 8

/**
 * Copies a log: the same events in the same order, each as it is; then compares all of both. `target` is empty or holds a
 * beginning of `source`, else it rejects with `CopyRefused`. One that was broken off goes on where it was.
 */
export async function copyLog({
  source,
  target,
  onProgress = () => {},
  pause,
}: CopyOptions): Promise<Copied> {
  const total = await source.countBehind(null)
  const report = (phase: CopyProgress['phase']) => (events: number) => onProgress({ phase, events, total })
  const reportCopying = report('copying')

  let reached = await compare(source, target, NOTHING, report('comparing what is there'))
  const before = reached.events
  for (let failed = 0, inDoubt = false; ; ) {
    try {
      if (inDoubt) reached = await compare(source, target, reached)
      inDoubt = false
      const page = (await source.readAll(reached.source, PAGE)).map(eventOf)
      const last: Position | undefined = page.at(-1)?.position
      if (last === undefined) break
      // Whatever comes of it, some of the page may be there.
      inDoubt = true
      await target.copy(page)
      reached = { events: reached.events + page.length, source: last, target: await target.head() }
      inDoubt = false
      failed = 0
      reportCopying(reached.events)
    } catch (error) {
      if (!isPassing(error) || failed === MOST_RETRIES) throw error
      failed++
      await pause(backoff(failed, RETRY_MS))
    }
  }

  const { events, source: end } = await compare(source, target, NOTHING, report('comparing both'))
  const [missing] = await source.readAll(end, 1)
  if (missing !== undefined) throw differenceAt(missing, null)
  return { events, before }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof StoreError && (error.code === 'store-unavailable' || error.code === 'store-overloaded')
  )
}
