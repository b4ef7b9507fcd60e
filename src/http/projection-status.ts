import type * as z from 'zod'
import type { ProjectionName } from '../../projections/index.ts'
import type { Clock } from '../clock.ts'
import type { EventLog } from '../event-store/event-store.ts'
import type { ProjectionStatus as Standing } from '../projecting/projection-status.ts'
import type { ReadModels } from '../projecting/read-models.ts'
import { type Lag, lagsInTime } from './lag.ts'
import type { ProjectionStatus } from './schemas.ts'

export type ProjectionStatusItem = z.infer<typeof ProjectionStatus>

export interface StatusParts {
  readonly log: EventLog
  readonly readModels: ReadModels
  readonly clock: Clock
}

/** While events keep coming, a projection is live though it has not handled those of the last moment, in seconds. */
const LIVE_WITHIN_SECONDS = 2

/** How projections stand, with how far they are behind the log. */
export async function statusesOf(
  names: readonly ProjectionName[],
  { log, readModels, clock }: StatusParts,
): Promise<ProjectionStatusItem[]> {
  const asked = names.map((name) => readModels.status(name))
  const lags = new Map((await lagsInTime(log, asked, clock)).map((lag) => [lag.name, lag]))
  // Told as they stand now: measuring the lag may have taken a while.
  return names.map((name) => described(readModels.status(name), lags.get(name) ?? null, log.start))
}

function described(standing: Standing, lag: Lag | null, start: string): ProjectionStatusItem {
  const { name, version, generation, checkpoint, parked, halted, rebuild } = standing
  return {
    name,
    version,
    generation,
    position: checkpoint ?? start,
    lag: lag === null ? null : { events: lag.events, seconds: lag.seconds },
    state: stateOf(standing, lag),
    reason: rebuild === null || generation !== null ? halted : rebuild.problem,
    rebuild,
    parked,
    digest: null,
  }
}

function stateOf({ halted, rebuild, generation }: Standing, lag: Lag | null): ProjectionStatusItem['state'] {
  if (rebuild !== null && (generation === null || halted === null)) return 'rebuilding'
  if (halted !== null) return 'halted'
  return lag !== null && (lag.events === 0 || lag.seconds < LIVE_WITHIN_SECONDS) ? 'live' : 'catching-up'
}
