import type { Clock } from '../clock.ts'
import { type EventLog, StoreError } from '../event-store/event-store.ts'
import { type Instant, microsecondsBetween } from '../ledger/instant.ts'
import type { Progress } from '../projecting/projector.ts'
import { within } from '../waiting.ts'

/** How far a projection is behind the log. */
export interface Lag {
  readonly name: string
  readonly events: number
  /** The age of the oldest event that it has not handled. */
  readonly seconds: number
}

/** Whoever asks waits so long for the log, in milliseconds: less than Prometheus waits for a scrape. */
const MOST_WAIT_MS = 2_000

/** Of each projection; none where the log is away, or takes too long to say so. */
export async function lagsInTime(log: EventLog, progress: readonly Progress[], clock: Clock): Promise<Lag[]> {
  try {
    return await within(lagsBehind(log, progress, clock), MOST_WAIT_MS, () => [])
  } catch (error) {
    if (error instanceof StoreError) return []
    throw error
  }
}

async function lagsBehind(log: EventLog, progress: readonly Progress[], clock: Clock): Promise<Lag[]> {
  const lags: Lag[] = []
  // Mostly all of them stand at one place, and asking may go over a network.
  for (const [checkpoint, group] of Map.groupBy(progress, (one) => one.checkpoint)) {
    const [oldest] = await log.readAll(checkpoint, 1)
    const isEvent = oldest !== undefined && !('foreign' in oldest)
    const events = await log.countBehind(checkpoint)
    const seconds = isEvent ? age(oldest.metadata.recordedAt, clock) : 0
    lags.push(...group.map(({ name }) => ({ name, events, seconds })))
  }
  return lags
}

export function age(since: Instant, clock: Clock): number {
  return Math.max(0, microsecondsBetween(since, clock()) / 1_000_000)
}
