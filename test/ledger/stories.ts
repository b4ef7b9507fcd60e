/** Random stories of one subscriber, for properties: `SUBSCRIBER`, told by deliveries, by the API and by people. */
import fc from 'fast-check'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { type Instant, instantFromEpoch, microsecondsBetween } from '../../src/ledger/instant.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import {
  delivery,
  emailCollected,
  instant,
  Log,
  message,
  optIn,
  optOut,
  SUBSCRIBER,
  subscriberObject,
  type Telling,
} from './deliveries.ts'

/** The moments at which things happen: a microsecond apart, and few, so that many happen at the same one. */
export const MOMENTS: readonly Instant[] = [0, 1, 2, 3, 4, 5].map((microsecond) =>
  instant(`2026-03-01T10:00:00.00000${microsecond}`),
)
const FIRST_ARRIVAL = instant('2026-03-01T10:00:01')
const EPOCH = instant('1970-01-01T00:00:00')

const phones = ['+15551110001', '+1 (555) 111-0002', '15551110003']
const words = ['Do you ship to Maine?', 'please STOP', 'End', 'when does the sale end?']

const believable = fc.constantFrom(...MOMENTS)
/** Times of which none is to be believed; the last is none at all. */
const doubtful = fc.constantFrom('1999-12-31T23:59:59', '2099-01-01T00:00:00', 'yesterday', '')

/** One telling. Messages and entries share few ids, so that some are told twice, and not alike. */
export function telling(time: fc.Arbitrary<string> = believable): fc.Arbitrary<Telling> {
  const contact: fc.Arbitrary<JsonObject> = fc.record(
    {
      phone_number: fc.constantFrom(...phones),
      email: fc.constantFrom('Ann@Example.com', 'ann@example.com', 'a@b.example'),
      shopify_customer_id: fc.constantFrom<(string | number | null)[]>(77, '78', null),
    },
    { requiredKeys: [] },
  )
  const texted: fc.Arbitrary<JsonObject> = fc.record({
    id: fc.constantFrom<(string | null)[]>('im_1', 'im_2', 'im_3', null),
    body: fc.constantFrom(...words),
    is_opt_out: fc.boolean(),
    from_number: fc.constantFrom(...phones),
  })
  const envelope: fc.Arbitrary<JsonObject> = fc.record({ event_time: time })
  const body = fc.oneof(
    fc.tuple(time, contact).map(([at, data]) => optIn(at, data)),
    fc.tuple(time, contact).map(([at, data]) => optOut(at, data)),
    fc.tuple(time, contact).map(([at, data]) => emailCollected(at, data)),
    fc.tuple(time, texted).map(([at, data]) => message(at, data)),
    // The same message told in another envelope: another event, the same data.
    fc.tuple(time, texted, envelope).map(([at, data, around]) => ({ ...message(at, data), ...around })),
    envelope.map((around) => delivery('shop.subscriber.tagged', { subscriber_id: SUBSCRIBER }, around)),
  )
  return fc.oneof(
    { weight: 6, arbitrary: body.map((told) => ({ source: 'webhook' as const, body: told })) },
    {
      weight: 1,
      arbitrary: fc.record({
        source: fc.constant('api' as const),
        subscriber: fc
          .tuple(fc.constantFrom(true, false, null), contact)
          .map(([canSend, fields]) => subscriberObject(canSend, fields)),
        observedAt: time,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        source: fc.constant('manual' as const),
        consent: fc.constantFrom('opt_in', 'opt_out', 'perhaps'),
        occurredAt: time,
        key: fc.constantFrom('k1', 'k2', 'k3', 'k4'),
      }),
    },
  )
}

/** Tellings of which each one's time is to be believed. */
export const believableStory = story(telling())
/** Tellings of which some have no time, or an impossible one. */
export const doubtfulStory = story(telling(fc.oneof({ weight: 3, arbitrary: believable }, doubtful)))

/** Tellings of these kinds. Entries with one key are one entry, so only the first of them is told. */
export function story(one: fc.Arbitrary<Telling>): fc.Arbitrary<Telling[]> {
  return fc.array(one, { minLength: 1, maxLength: 14 }).map((tellings) => {
    const keys = new Set<string>()
    return tellings.filter((told) => {
      if (told.source !== 'manual') return true
      const isNew = !keys.has(told.key)
      keys.add(told.key)
      return isNew
    })
  })
}

/** A story, and the same tellings in another order, each at least once. */
export function twoOrders(
  stories: fc.Arbitrary<Telling[]> = believableStory,
): fc.Arbitrary<[Telling[], Telling[]]> {
  return stories.chain((tellings) =>
    fc.tuple(
      fc.constant(tellings),
      fc
        .array(fc.constantFrom(...tellings), { maxLength: 4 })
        .chain((again) => shuffled([...tellings, ...again])),
    ),
  )
}

export function shuffled<T>(items: readonly T[]): fc.Arbitrary<T[]> {
  return fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length })
}

/** The log of a story. Two arrive in each second, after all that they tell of. */
export function recorded(tellings: readonly Telling[]): StoredEvent[] {
  const log = new Log()
  tellings.forEach((told, index) => {
    log.tell(told, arrival(index))
  })
  return log.events
}

/** When the telling with this index in a story arrives. */
export function arrival(index: number): Instant {
  const start = microsecondsBetween(EPOCH, FIRST_ARRIVAL)
  return instantFromEpoch(start + Math.floor(index / 2) * 1_000_000)
}
