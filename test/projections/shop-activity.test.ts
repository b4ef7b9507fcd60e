import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { dateIn, daysAfter, localDays } from '../../projections/shop-activity/local-days.ts'
import { shopActivity } from '../../projections/shop-activity/projection.ts'
import { consentHistory } from '../../src/ledger/consent.ts'
import { instantFromEpoch } from '../../src/ledger/instant.ts'
import { interpretSubscriber } from '../../src/ledger/interpret.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import {
  delivery,
  emailCollected,
  Log,
  message,
  optIn,
  optOut,
  SHOP,
  SUBSCRIBER,
  subscriberObject,
} from '../ledger/deliveries.ts'
import { recorded, story, telling } from '../ledger/stories.ts'
import { build } from './build.ts'
import { arrived, RECEIVED, scenariosOf } from './given-when-then.ts'

const { given, expectSameRowsInAnyOrder, expectSameRowsWhenReplayed } = scenariosOf(shopActivity)

type Queries = ReturnType<typeof shopActivity.queries>
type Day = ReturnType<Queries['days']>[number]

const NOTHING = { optIns: 0, optOuts: 0, netChange: 0, messages: 0 }

/** Expects these counts on the 1st, the 2nd and the 3rd of March, in UTC. */
const march =
  (...expected: Partial<Day>[]) =>
  ({ days }: Queries) =>
    expect(days(SHOP, '2026-03-01', '2026-03-03', 'UTC')).toEqual(
      ['2026-03-01', '2026-03-02', '2026-03-03'].map((date, index) => ({
        date,
        ...NOTHING,
        ...expected[index],
      })),
    )

const FIRST = '2026-03-01T10:00:00'
const SECOND = '2026-03-02T10:00:00'
const THIRD = '2026-03-03T10:00:00'
const IN = { optIns: 1, netChange: 1 }
const OUT = { optOuts: 1, netChange: -1 }

const observed = (canSend: boolean | null, observedAt: string) => ({
  source: 'api' as const,
  subscriber: subscriberObject(canSend),
  observedAt,
})
const entered = (consent: 'opt_in' | 'opt_out', occurredAt: string) => ({
  source: 'manual' as const,
  consent,
  occurredAt,
  key: 'call-1',
})

describe('an opt-in or an opt-out', () => {
  test('counts on the day on which it occurred', () => {
    given(optIn(FIRST))
      .when(optOut(THIRD))
      .thenReading(march(IN, {}, OUT))
  })

  test('counts where it changed consent, and not where it said the same again', () => {
    given(optIn(FIRST), optOut(SECOND))
      .when(optIn(SECOND, { email: 'a@b.example' }), optOut(THIRD))
      .thenReading(march(IN, OUT))
  })

  test('counts no more once an earlier one that says the same has come', () => {
    given(optOut(THIRD)).when(optOut(FIRST), optOut(SECOND)).thenReading(march(OUT))
  })

  test('that comes late makes the one behind it count', () => {
    given(optIn(FIRST), optIn(THIRD))
      .when(optOut(SECOND))
      .thenReading(march(IN, OUT, IN))
  })

  test('of somebody never heard of before counts', () => {
    given().when(optOut(SECOND)).thenReading(march({}, OUT))
  })

  test('counts for each subscriber', () => {
    given(optIn(FIRST), optIn(FIRST, { subscriber_id: 's_b' }))
      .when(optOut(FIRST, { subscriber_id: 's_c' }))
      .thenReading(march({ optIns: 2, optOuts: 1, netChange: 1 }))
  })

  test('by a message counts, and the message with it', () => {
    given(optIn(FIRST))
      .when(message(SECOND, { is_opt_out: true }))
      .thenReading(march(IN, { ...OUT, messages: 1 }))
  })

  test('entered by a person counts', () => {
    given(optIn(FIRST)).when(entered('opt_out', SECOND)).thenReading(march(IN, OUT))
  })

  test('at the same instant as the other counts before it where it is the opt-in', () => {
    given(optIn(FIRST))
      .when(optOut(FIRST))
      .thenReading(march({ optIns: 1, optOuts: 1 }))
  })

  test('whose time is not to be believed counts on the day of receipt', () => {
    given()
      .when(optIn('yesterday'))
      .thenReading(({ days }) =>
        expect(days(SHOP, '2026-12-31', '2026-12-31', 'UTC')).toMatchObject([
          { date: RECEIVED.slice(0, 10), ...IN },
        ]),
      )
  })

  test('does not count where its time is not to be believed and something was known', () => {
    given(optOut(FIRST))
      .when(optIn('yesterday'))
      .thenReading(({ days }) =>
        expect(days(SHOP, '2026-12-31', '2026-12-31', 'UTC')).toMatchObject([NOTHING]),
      )
  })
})

describe('what Postscript answers when it is asked', () => {
  test.each([true, false])('counts nothing of somebody unknown: can_send %s', (canSend) => {
    given().when(observed(canSend, SECOND)).thenReading(march())
  })

  test('counts where it shows that somebody opted out', () => {
    given(optIn(FIRST))
      .when(observed(false, THIRD))
      .thenReading(march(IN, {}, OUT))
  })

  test('counts nothing where it shows that they could be sent to', () => {
    given(optOut(FIRST)).when(observed(true, SECOND)).thenReading(march(OUT))
  })

  test('makes a later opt-out count, and a later opt-in not', () => {
    given(observed(true, FIRST))
      .when(optIn(SECOND), optOut(THIRD))
      .thenReading(march({}, {}, OUT))
  })

  test('counts nothing where it does not say', () => {
    given(optIn(FIRST)).when(observed(null, SECOND)).thenReading(march(IN))
  })
})

describe('a message', () => {
  test('counts on the day on which it was written', () => {
    given(message(FIRST))
      .when(message(SECOND, { id: 'im_2' }))
      .thenReading(march({ messages: 1 }, { messages: 1 }))
  })

  test('counts once, at the earliest, however often and however differently it was told', () => {
    given(message(THIRD), message(THIRD, { body: 'Other' }))
      .when(message(SECOND), { ...message(SECOND), event_time: THIRD })
      .thenReading(march({}, { messages: 1 }))
  })

  test('told as an opt-out and as none counts where it was told as one, as the timeline has it', () => {
    given(message(FIRST))
      .when(message(SECOND, { is_opt_out: true }))
      .thenReading(march({}, { ...OUT, messages: 1 }))
  })

  test('counts each time where it came without an id', () => {
    given(message(FIRST, { id: null }))
      .when(message(FIRST, { id: null, body: 'Other' }))
      .thenReading(march({ messages: 2 }))
  })

  test('of another subscriber under the same id is another', () => {
    given(message(FIRST))
      .when(message(FIRST, { subscriber_id: 's_b' }))
      .thenReading(march({ messages: 2 }))
  })

  test('that only reads like a revocation is no opt-out', () => {
    given(optIn(FIRST))
      .when(message(SECOND, { body: 'please stop' }))
      .thenReading(march(IN, { messages: 1 }))
  })
})

test('nothing else counts', () => {
  given(
    emailCollected(FIRST),
    delivery('shop.subscriber.tagged', { subscriber_id: SUBSCRIBER }, { event_time: FIRST }),
  )
    .when(delivery('shop.test', {}), delivery('shop.subscriber.opt_in', {}))
    .thenReading(march())
})

test('the counts are of one shop', () => {
  const log = new Log(SHOP, 'shop_b')
  log.receive(optIn(FIRST), RECEIVED)
  log.receive({ ...optOut(SECOND), resource_id: 'shop_b' }, RECEIVED)
  log.receive({ ...optOut(SECOND), resource_id: 'shop_c' }, RECEIVED)
  using built = build(shopActivity, log.events)
  march(IN)(built.queries)
  expect(built.queries.days('shop_b', '2026-03-02', '2026-03-02', 'UTC')).toMatchObject([OUT])
})

describe('a day', () => {
  const counted = (days: Day[]) => days.map(({ date, messages }) => [date.slice(5), messages])
  /** A message in each of the hours from `from` on. */
  const hourly = (from: string, hours: number): JsonObject[] =>
    Array.from({ length: hours }, (_, hour) => {
      const time = new Date(Date.parse(`${from}Z`) + hour * 3_600_000).toISOString()
      return message(time, { id: `im_${hour}` })
    })

  test.each<[string, string, string, [string, number][]]>([
    [
      'of the zone, not of UTC',
      'America/New_York',
      '2026-07-01T00:00:00',
      [
        ['06-30', 4],
        ['07-01', 24],
        ['07-02', 20],
      ],
    ],
    [
      'of a zone whose offset is no whole hour',
      'Asia/Kathmandu',
      '2026-07-01T00:00:00',
      [
        ['06-30', 0],
        ['07-01', 19],
        ['07-02', 24],
      ],
    ],
    [
      'of 23 hours',
      'America/New_York',
      '2026-03-08T05:00:00',
      [
        ['03-07', 0],
        ['03-08', 23],
        ['03-09', 24],
      ],
    ],
    [
      'of 25 hours',
      'America/New_York',
      '2026-11-01T04:00:00',
      [
        ['10-31', 0],
        ['11-01', 25],
        ['11-02', 23],
      ],
    ],
    [
      'that begins at one, since clocks go forward at midnight',
      'Africa/Cairo',
      '2026-04-23T21:00:00',
      [
        ['04-23', 1],
        ['04-24', 23],
        ['04-25', 24],
      ],
    ],
    [
      'in which midnight comes twice',
      'America/Havana',
      '2026-11-01T04:00:00',
      [
        ['10-31', 0],
        ['11-01', 25],
        ['11-02', 23],
      ],
    ],
    [
      'that a zone left out',
      'Pacific/Apia',
      '2011-12-30T10:00:00',
      [
        ['12-29', 0],
        ['12-30', 0],
        ['12-31', 24],
      ],
    ],
  ])('%s: %s from %s', (_name, zone, from, expected) => {
    const [first = '', last = ''] = [expected[0]?.[0], expected.at(-1)?.[0]]
    const year = from.slice(0, 4)
    using built = build(shopActivity, arrived(...hourly(from, 48)))
    expect(counted(built.queries.days(SHOP, `${year}-${first}`, `${year}-${last}`, zone))).toEqual(expected)
  })

  test('of any zone begins at a quarter of an hour of UTC, when the date before has ended there', () => {
    const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
    const dates = fc.integer({ min: 0, max: 40 * 365 }).map((days) => daysAfter('2000-01-01', days))
    fc.assert(
      fc.property(zone, dates, (timeZone, date) => {
        const [day] = localDays(date, date, timeZone)
        expect(day?.begins).toMatch(/:(00|15|30|45)$/)
        const turn = Date.parse(`${day?.begins}Z`) * 1000
        expect(dateIn(timeZone, instantFromEpoch(turn)) >= date).toBe(true)
        expect(dateIn(timeZone, instantFromEpoch(turn - 1)) < date).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the counts of any story', () => {
  const days = ['2026-02-26', '2026-02-27', '2026-02-28', '2026-03-01']
  const time = fc
    .tuple(
      fc.constantFrom(...days),
      fc.constantFrom('00:00:00', '00:14:59.999999', '00:15:00', '09:59:59.999999'),
    )
    .map(([date, at]) => `${date}T${at}`)
  const stories = story(telling(time))

  test('are the changes that the history of consent tells, and the messages that the timeline shows', () => {
    fc.assert(
      fc.property(
        story(telling(fc.oneof({ weight: 4, arbitrary: time }, fc.constant('yesterday')))),
        (told) => {
          const events = recorded(told)
          const history = consentHistory(events.map(interpretSubscriber), null)
          const changed = history.filter(
            ({ effect, evidence }, index) =>
              effect !== 'none' &&
              !(evidence.source === 'api' && history.slice(0, index).every((one) => one.effect === 'none')),
          )
          using timeline = build(messageTimeline, events)
          const shown = {
            kind: 'message' as const,
            from: null,
            to: null,
            order: 'asc' as const,
            after: null,
            limit: 99,
          }
          const messages = timeline.queries.page(SHOP, SUBSCRIBER, shown) ?? []
          using built = build(shopActivity, events)
          const on = (date: string) => (one: { readonly occurredAt: string }) =>
            one.occurredAt.startsWith(date)
          for (const day of built.queries.days(SHOP, '2026-02-26', '2026-03-01', 'UTC')) {
            const effects = changed.filter(on(day.date)).map(({ effect }) => effect)
            const optIns = effects.filter((effect) => effect === 'subscribed').length
            const optOuts = effects.length - optIns
            expect(day).toEqual({
              date: day.date,
              optIns,
              optOuts,
              netChange: optIns - optOuts,
              messages: messages.filter(on(day.date)).length,
            })
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('are the same rows, byte for byte, for every order of arrival', () =>
    expectSameRowsInAnyOrder(stories))

  test('are the same rows, byte for byte, when the log is replayed', () => expectSameRowsWhenReplayed())

  test('take one row a quarter of an hour, whatever happens in it', () => {
    const events = arrived(
      ...Array.from({ length: 50 }, (_, n) => message('2026-03-01T10:00:00', { id: `im_${n}` })),
    )
    using built = build(shopActivity, events)
    expect(built.dump().split('\n\n')[0]).toBe(`activity\n'${SHOP}','2026-03-01T10:00',0,0,50`)
  })
})
