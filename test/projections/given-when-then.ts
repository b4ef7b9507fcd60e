/**
 * Says what a projection makes of what is told, whatever order it comes in:
 *
 *     const { given } = scenariosOf(shopActivity)
 *
 *     given(optIn('2026-03-01T10:00:00'))
 *       .when(optOut('2026-03-02T10:00:00'))
 *       .thenReading(({ days }) => expect(days(…)).toEqual(…))
 *
 * `given` is what the ledger may have known, `when` what the case is about; to the ledger they are the same. All of it
 * arrives in every order, once with everything told twice, and each time the answer must hold and the rows must be
 * those of the first time, to the byte.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { type Instant, instantFromEpoch, microsecondsBetween } from '../../src/ledger/instant.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import { instant, Log, type Telling } from '../ledger/deliveries.ts'
import { believableStory, doubtfulStory, recorded, twoOrders } from '../ledger/stories.ts'
import { build, type ReadProjection } from './build.ts'

/** When everything that a scenario tells was received: it is the time of what has none that is to be believed. */
export const RECEIVED = instant('2026-12-31T12:00:00')

/** So many tellings arrive in every order that there is; of more, as many orders are drawn by a fixed seed. */
const MOST_IN_EVERY_ORDER = 5
const DRAWN_ORDERS = 120
const SEED = 20260301

/** A delivery of Postscript's, or something that was told otherwise. */
export type Told = JsonObject | Telling

export interface ScenarioOptions {
  /**
   * The columns, and the members of JSON in them, that may differ by order of arrival: when or as which event
   * something came. None, unless there is a reason.
   */
  readonly arrivalShowsIn?: readonly string[]
}

/** The cases of one projection. */
export function scenariosOf<Queries>(
  projection: ReadProjection<Queries>,
  { arrivalShowsIn = [] }: ScenarioOptions = {},
) {
  const rowsOf = (events: readonly StoredEvent[]) => {
    using built = build(projection, events)
    return built.dump(arrivalShowsIn)
  }
  return {
    given: (...before: Told[]) => ({
      when: (...now: Told[]) => ({
        /** Checks the answers after each order of arrival, and that the rows are the same after all of them. */
        thenReading: (check: (queries: Queries) => void): void => {
          const all = [...before, ...now]
          const asTold = rowsOf(arrived(...all))
          for (const order of ordersOf(all))
            naming(order, () => {
              using built = build(projection, arrived(...order))
              check(built.queries)
              expect(built.dump(arrivalShowsIn)).toBe(asTold)
            })
        },
      }),
    }),

    /** The rows of any story, whatever the order in which it arrives. */
    expectSameRowsInAnyOrder: (stories = believableStory): void => {
      fc.assert(
        fc.property(twoOrders(stories), ([one, other]) => {
          expect(rowsOf(recorded(other))).toBe(rowsOf(recorded(one)))
        }),
        { numRuns: 300 },
      )
    },

    /** The rows of one log, to the byte, whatever the positions of its engine. */
    expectSameRowsWhenReplayed: (): void => {
      fc.assert(
        fc.property(doubtfulStory, (story) => {
          const events = recorded(story)
          using first = build(projection, events)
          using second = build(
            projection,
            events.map((event, index) => ({ ...event, position: `${1000 + 7 * index}` })),
          )
          expect(second.dump()).toBe(first.dump())
        }),
        { numRuns: 50 },
      )
    },
  }
}

/** The log of what arrives in this order. What is told twice is kept once. */
export function arrived(...tellings: readonly Told[]): StoredEvent[] {
  const log = new Log()
  tellings.forEach((told, index) => {
    log.tell(tellingOf(told), RECEIVED, secondsAfter(RECEIVED, index))
  })
  return log.events
}

// Postscript's deliveries have no `source`.
function tellingOf(told: Told): Telling {
  return isTelling(told) ? told : { source: 'webhook', body: told }
}

function isTelling(told: Told): told is Telling {
  return told['source'] !== undefined
}

function* ordersOf(told: readonly Told[]): Generator<readonly Told[]> {
  yield told
  yield [...told, ...told.toReversed()]
  if (told.length <= MOST_IN_EVERY_ORDER) yield* permutations(told)
  else
    yield* fc.sample(fc.shuffledSubarray([...told], { minLength: told.length }), {
      seed: SEED,
      numRuns: DRAWN_ORDERS,
    })
}

function* permutations(items: readonly Told[]): Generator<readonly Told[]> {
  if (items.length === 0) yield []
  for (const [index, item] of items.entries())
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest]
}

// The error stays the same one, so that what reports it shows its difference.
function naming(order: readonly Told[], run: () => void): void {
  try {
    run()
  } catch (error) {
    if (error instanceof Error)
      error.message = `arrived in this order:\n${order.map(nameOf).join('\n')}\n\n${error.message}`
    throw error
  }
}

function nameOf(told: Told): string {
  const telling = tellingOf(told)
  if (telling.source !== 'webhook') return `  ${JSON.stringify(telling)}`
  const { event, event_time, event_data } = telling.body
  return `  ${event} ${event_time} ${JSON.stringify(event_data)}`
}

function secondsAfter(start: Instant, seconds: number): Instant {
  const epoch = instant('1970-01-01T00:00:00')
  return instantFromEpoch(microsecondsBetween(epoch, start) + seconds * 1_000_000)
}
