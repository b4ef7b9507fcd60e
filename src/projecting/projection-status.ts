import type { ProjectionName } from '../../projections/index.ts'
import type { Position } from '../ledger/event.ts'

/** How a rebuild stands. */
export interface RebuildStatus {
  readonly handled: number
  readonly total: number
  readonly startedAt: string | null
  readonly eventsPerSecond: number
  readonly held: boolean
  /** Why it stands still; null while it doesn't. */
  readonly problem: string | null
}

/** How a projection stands. */
export interface ProjectionStatus {
  readonly name: ProjectionName
  /** Of the projection that built what is read; of the one to build it, where nothing is. */
  readonly version: number
  /** Which one is read; null where none can be. */
  readonly generation: number | null
  readonly checkpoint: Position | null
  readonly parked: number
  readonly halted: string | null
  readonly rebuild: RebuildStatus | null
}

/** There is no generation of a projection that can be read: none has been built yet, or the last one was damaged. */
export class ProjectionNotReady extends Error {
  override name = 'ProjectionNotReady'
  readonly code = 'projection-not-ready'
}

export class RebuildRunning extends Error {
  override name = 'RebuildRunning'
  readonly code = 'rebuild-running'
}
