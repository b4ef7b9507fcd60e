import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import type { TimelineKey, TimelinePage } from '../../projections/message-timeline/queries.ts'
import type { Entry } from '../../projections/message-timeline/tables.ts'
import type { StoredEvent } from '../../src/ledger/event.ts'
import {
  delivery,
  emailCollected,
  message,
  optIn,
  optOut,
  SHOP,
  SUBSCRIBER,
  subscriberObject,
} from '../ledger/deliveries.ts'
import { doubtfulStory, MOMENTS, recorded } from '../ledger/stories.ts'
import { build } from './build.ts'
import { arrived, RECEIVED, scenariosOf } from './given-when-then.ts'

const { given, expectSameRowsInAnyOrder, expectSameRowsWhenReplayed } = scenariosOf(messageTimeline, {
  arrivalShowsIn: ['revision', 'recorded_at'],
})

const TIME = '2026-03-01T10:00:00.000000'
const LATER = '2026-03-01T11:00:00.000000'

const WHOLE: TimelinePage = { kind: null, from: null, to: null, order: 'asc', after: null, limit: 1000 }

function timeline(events: readonly StoredEvent[], page: Partial<TimelinePage> = {}): Entry[] {
  using built = build(messageTimeline, events)
  return built.queries.page(SHOP, SUBSCRIBER, { ...WHOLE, ...page }) ?? []
}

const bodies = (entries: readonly Entry[]) =>
  entries.map(({ message: text }) => (text === null ? null : JSON.parse(text).body))

/** Expects these entries of the subscriber's timeline, and no others. */
const entries =
  (...expected: object[]) =>
  ({ page }: ReturnType<typeof messageTimeline.queries>) =>
    expect(page(SHOP, SUBSCRIBER, WHOLE)).toMatchObject(expected)

/** Expects messages with these texts. */
const texts =
  (...expected: string[]) =>
  ({ page }: ReturnType<typeof messageTimeline.queries>) =>
    expect(bodies(page(SHOP, SUBSCRIBER, WHOLE) ?? [])).toEqual(expected)

describe('the timeline of a subscriber', () => {
  test('has what happened in the order in which it happened, not in that of arrival', () => {
    const at = (hour: string) => `2026-03-01T${hour}:00:00`
    const events = arrived(
      optOut(at('11')),
      message(at('10')),
      emailCollected(at('09')),
      delivery('shop.subscriber.tagged', { subscriber_id: SUBSCRIBER }, { event_time: at('08') }),
      optIn(at('07')),
      { source: 'api', subscriber: subscriberObject(true), observedAt: at('06') },
      { source: 'manual', consent: 'opt_in', occurredAt: at('05'), key: 'k' },
    )
    expect(timeline(events).map(({ kind, event, revision }) => [kind, event, revision])).toEqual([
      ['entry', 'ledger.consent_entered', 6],
      ['observation', 'ledger.consent_observed', 5],
      ['opt_in', 'shop.subscriber.opt_in', 4],
      ['other', 'shop.subscriber.tagged', 3],
      ['email', 'shop.email_collected', 2],
      ['message', 'shop.incoming_message', 1],
      ['opt_out', 'shop.subscriber.opt_out', 0],
    ])
  })

  test('tells a message with its text', () => {
    const [entry] = timeline(arrived(message(TIME, { body: 'end' })))
    expect(entry).toMatchObject({
      occurredAt: '2026-03-01T10:00:00.000000Z',
      recordedAt: RECEIVED,
      kind: 'message',
      messageId: 'im_1',
      conflict: false,
    })
    expect(JSON.parse(entry?.message ?? '')).toEqual({
      id: 'im_1',
      from: '+15551234567',
      body: 'end',
      isOptOut: false,
      possibleOptOut: true,
    })
  })

  test('keeps a text that SQLite could not', () => {
    const text = 'a\u0000b\ud800c'
    expect(bodies(timeline(arrived(message(TIME, { body: text }))))).toEqual([text])
  })

  test('is of one subscriber', () => {
    const events = arrived(optIn(TIME), optIn(TIME, { subscriber_id: 's_other' }), delivery('shop.test', {}))
    expect(timeline(events)).toHaveLength(1)
    using built = build(messageTimeline, events)
    expect(built.queries.page(SHOP, 's_never', WHOLE)).toBeNull()
    expect(built.queries.page('shop_other', SUBSCRIBER, WHOLE)).toBeNull()
  })

  test('is the same for every order of arrival, but for revision and time of recording', () =>
    expectSameRowsInAnyOrder())

  test('has every event once, and every message once', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const events = recorded(story)
        const seen = new Set(
          events.map(({ type, data, metadata }) => {
            const { event_data } = data
            const id =
              type === 'shop.incoming_message' && typeof event_data === 'object' && event_data !== null
                ? Object.entries(event_data).find(([key]) => key === 'id')?.[1]
                : null
            return typeof id === 'string' ? id : metadata.id
          }),
        )
        const entries = timeline(events)
        expect(new Set(entries.map(({ messageId, eventId }) => messageId ?? eventId))).toEqual(seen)
        expect(entries).toHaveLength(seen.size)
      }),
    )
  })
})

describe('a message told twice', () => {
  test('with differing data is one entry, marked', () => {
    given(message(TIME))
      .when(message(TIME, { body: 'Other' }))
      .thenReading(entries({ conflict: true }))
  })

  test('with the same data, in another envelope, is one entry without a mark', () => {
    given(message(TIME))
      .when({ ...message(TIME), event_time: LATER })
      .thenReading(entries({ conflict: false }))
  })

  test('stays marked when it is told a third time as it was first', () => {
    given(message(TIME), message(TIME, { body: 'Other' }))
      .when({ ...message(TIME), event_time: LATER })
      .thenReading(entries({ conflict: true }))
  })

  test('shows the telling that opts out', () => {
    given(message(TIME, { body: 'hello' }), message(TIME, { body: 'hi' }))
      .when(message(LATER, { body: 'stop', is_opt_out: true }))
      .thenReading(texts('stop'))
  })

  test('else the earlier one', () => {
    given(message(LATER, { body: 'later' }))
      .when(message(TIME, { body: 'earlier' }))
      .thenReading(texts('earlier'))
  })

  test('by two subscribers is two messages', () => {
    const [one, other] = [message(TIME), message(TIME, { subscriber_id: 's_other' })]
    expect(timeline(arrived(one, other))).toMatchObject([{ conflict: false }])
  })

  test('is marked where its tellings differ, whatever came between, in whatever order', () => {
    const telling = fc.record({ body: fc.constantFrom('a', 'b'), envelope: fc.nat({ max: 3 }) })
    fc.assert(
      fc.property(fc.array(telling, { minLength: 1, maxLength: 6 }), (tellings) => {
        const told = tellings.map(({ body, envelope }) => ({
          ...message(TIME, { body }),
          resource_type: `shop ${envelope}`,
        }))
        const differ = new Set(tellings.map(({ body }) => body)).size > 1
        expect(timeline(arrived(...told))).toMatchObject([{ conflict: differ }])
      }),
    )
  })
})

describe('messages without an id', () => {
  test('are an entry each', () => {
    given(message(TIME, { id: null }))
      .when(message(TIME, { id: null, body: 'Other' }))
      .thenReading(entries({ conflict: false }, { conflict: false }))
  })
})

describe('a page', () => {
  const at = (minute: string) => `2026-03-01T10:${minute}:00.000000`
  const events = arrived(
    optIn(at('01')),
    message(at('02'), { id: 'im_2' }),
    message(at('03'), { id: 'im_3' }),
    optOut(at('04')),
  )
  const minutes = (page: Partial<TimelinePage>) =>
    timeline(events, page).map(({ occurredAt }) => occurredAt.slice(14, 16))

  test.each<[string, Partial<TimelinePage>, string[]]>([
    ['oldest first', { order: 'asc' }, ['01', '02', '03', '04']],
    ['newest first', { order: 'desc' }, ['04', '03', '02', '01']],
    ['of one kind', { kind: 'message' }, ['02', '03']],
    ['of a kind that does not occur', { kind: 'email' }, []],
    ['from a moment, that moment among it', { from: `${at('02')}Z` }, ['02', '03', '04']],
    ['up to a moment, that moment not among it', { to: `${at('03')}Z` }, ['01', '02']],
    ['between two', { from: `${at('02')}Z`, to: `${at('03')}Z`, order: 'desc' }, ['02']],
    ['of so many', { limit: 2 }, ['01', '02']],
    ['of the newest', { limit: 1, order: 'desc' }, ['04']],
  ])('%s', (_name, page, expected) => {
    expect(minutes(page)).toEqual(expected)
  })

  test('follows on the one before it without gap or repeat', () => {
    const bound = fc.constantFrom<(string | null)[]>(...MOMENTS, null)
    const view = fc.record({
      kind: fc.constantFrom<Entry['kind'] | null>('message', 'opt_in', null, null),
      from: bound,
      to: bound,
      order: fc.constantFrom('asc' as const, 'desc' as const),
      limit: fc.integer({ min: 1, max: 4 }),
    })
    fc.assert(
      fc.property(doubtfulStory, view, (story, { limit, ...shown }) => {
        using built = build(messageTimeline, recorded(story))
        const pageAfter = (after: TimelineKey | null, size: number) =>
          built.queries.page(SHOP, SUBSCRIBER, { ...shown, after, limit: size }) ?? []
        const paged: Entry[] = []
        for (;;) {
          const last = paged.at(-1)
          const page = pageAfter(last === undefined ? null : [last.occurredAt, last.eventId], limit)
          paged.push(...page)
          if (page.length < limit) break
        }
        expect(paged).toEqual(pageAfter(null, 1000))
        const { kind, from, to, order } = shown
        const whole = timeline(recorded(story)).filter(
          (entry) =>
            (kind === null || entry.kind === kind) &&
            (from === null || entry.occurredAt >= from) &&
            (to === null || entry.occurredAt < to),
        )
        expect(paged).toEqual(order === 'asc' ? whole : whole.toReversed())
      }),
      { numRuns: 200 },
    )
  })
})

describe('replaying the same log', () => {
  test('gives the same rows, byte for byte, whatever the positions of its engine', () =>
    expectSameRowsWhenReplayed())
})
