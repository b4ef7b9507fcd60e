import { messageTimeline } from './message-timeline/projection.ts'
import { shopActivity } from './shop-activity/projection.ts'
import { subscriberStatus } from './subscriber-status/projection.ts'
import { unplaced } from './unplaced/projection.ts'

/** Every projection that runs, by name. */
export const projections = {
  'subscriber-status': subscriberStatus,
  'message-timeline': messageTimeline,
  unplaced,
  'shop-activity': shopActivity,
} as const

export type ProjectionName = keyof typeof projections
export type Queries<Name extends ProjectionName> = ReturnType<(typeof projections)[Name]['queries']>

export const projectionNames: readonly ProjectionName[] = [
  'subscriber-status',
  'message-timeline',
  'unplaced',
  'shop-activity',
]

/** `text`, where a projection is called so. */
export function findProjectionName(text: string): ProjectionName | undefined {
  return projectionNames.find((name) => name === text)
}
