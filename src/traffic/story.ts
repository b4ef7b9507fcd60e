import { Cast, MOST_SUBSCRIBERS, type StoryShop } from './cast.ts'
import { Chance } from './chance.ts'
import { DueQueue } from './due-queue.ts'
import { Lives } from './lives.ts'
import { Mailing, type PlannedDelivery } from './mailing.ts'
import { NaiveTime } from './naive-time.ts'

export type { StoryShop } from './cast.ts'
export type { PlannedDelivery } from './mailing.ts'

export interface StoryOptions {
  /** The same seed, shops, subscribers and start tell the same story, to the byte. */
  readonly seed: string
  /** At least one; the first is the largest. */
  readonly shops: readonly StoryShop[]
  /** How many people there are in it, 1 to ten million. They turn up one by one, so a short story may not meet all. */
  readonly subscribers: number
  /** The story's first instant, ISO 8601 (UTC where it names no zone). It should end before now: see `story`. */
  readonly start: string
  /** How many deliveries to tell; without it the story never ends. A shorter story is the beginning of a longer one. */
  readonly deliveries?: number
}

/** Virtual microseconds between two episodes at the busiest hour. */
const MEAN_GAP = 1_200_000
const BURST_GAP = MEAN_GAP / 25

/** How busy each hour of the day is (UTC), for shops in America. */
const ACTIVITY = [
  0.8, 0.7, 0.5, 0.3, 0.15, 0.1, 0.06, 0.05, 0.05, 0.06, 0.1, 0.2, 0.35, 0.55, 0.75, 0.9, 1, 1, 0.95, 0.9,
  0.9, 0.95, 1, 0.9,
]

/**
 * What Postscript would send over some days, in the order of arrival. It is an iterator that holds about an hour of the
 * story, however long that is. A million deliveries take some ten days of story: start early enough that they lie in
 * the past, or a ledger rightly doubts their times.
 */
export function story(options: StoryOptions): Generator<PlannedDelivery, void, undefined> {
  const { seed, shops, subscribers, start, deliveries = Number.POSITIVE_INFINITY } = options
  if (shops.length === 0) throw new RangeError('a story needs a shop')
  if (!Number.isInteger(subscribers) || subscribers < 1 || subscribers > MOST_SUBSCRIBERS) {
    throw new RangeError(`subscribers: a whole number from 1 to ${MOST_SUBSCRIBERS}`)
  }
  const time = new NaiveTime(start)
  const chance = new Chance(seed)
  const lives = new Lives(new Cast(seed, shops.length), shops, subscribers, chance, time)
  return tell(lives, new Mailing(seed, shops, time), chance, time, deliveries)
}

function* tell(
  lives: Lives,
  mailing: Mailing,
  chance: Chance,
  time: NaiveTime,
  deliveries: number,
): Generator<PlannedDelivery, void, undefined> {
  const queue = new DueQueue<PlannedDelivery>()
  let clock = 0
  let burst = 0
  let told = 0
  while (told < deliveries) {
    // A campaign goes out now and then, and many answer it at once.
    if (burst > 0) burst--
    else if (chance.happens(0.0006)) burst = 200 + chance.below(400)
    const gap = burst > 0 ? BURST_GAP : MEAN_GAP / (ACTIVITY[time.hour(clock)] ?? 1)
    clock += 1 + Math.floor(chance.wait(gap))
    const { startedAt, happenings } = lives.episode(clock)
    // With few subscribers, everybody is busy: the clock goes with them, or an ever longer future would be waiting.
    clock = startedAt
    for (const happening of happenings) {
      for (const delivery of mailing.deliveries(happening)) queue.push(delivery)
    }
    // Nothing that is yet to happen can arrive before the clock.
    const clockMs = Math.floor(clock / 1000)
    for (let due = queue.takeDueBy(clockMs); due !== undefined; due = queue.takeDueBy(clockMs)) {
      if (told++ >= deliveries) return
      yield due
    }
  }
}
