import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import { consentAt } from '../../src/ledger/consent.ts'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { interpretSubscriber } from '../../src/ledger/interpret.ts'
import {
  delivery,
  emailCollected,
  Log,
  message,
  optIn,
  optOut,
  SHOP,
  SUBSCRIBER,
} from '../ledger/deliveries.ts'
import { doubtfulStory, recorded } from '../ledger/stories.ts'
import { build } from './build.ts'
import { arrived, RECEIVED, scenariosOf } from './given-when-then.ts'

const { given, expectSameRowsInAnyOrder, expectSameRowsWhenReplayed } = scenariosOf(subscriberStatus, {
  arrivalShowsIn: ['revision', 'recordedAt'],
})

const TIME = '2026-03-01T10:00:00.000000'
const LATER = '2026-03-01T11:00:00.000000'

function rowAfter(events: readonly StoredEvent[]) {
  using built = build(subscriberStatus, events)
  return built.queries.get(SHOP, SUBSCRIBER)
}

/** Expects this of the subscriber's row. */
const row =
  (expected: object) =>
  ({ get }: ReturnType<typeof subscriberStatus.queries>) =>
    expect(get(SHOP, SUBSCRIBER)).toMatchObject(expected)

describe('the row of a subscriber', () => {
  test('says all that is known', () => {
    const [event] = arrived(
      optOut(TIME, { phone_number: '+15551230001', email: 'Ann@Example.com', shopify_customer_id: 77 }),
    )
    expect(rowAfter(event === undefined ? [] : [event])).toEqual({
      shopId: SHOP,
      subscriberId: SUBSCRIBER,
      status: 'unsubscribed',
      since: '2026-03-01T10:00:00.000000Z',
      evidence: {
        eventId: event?.metadata.id,
        type: 'shop.subscriber.opt_out',
        revision: 0,
        occurredAt: '2026-03-01T10:00:00.000000Z',
        recordedAt: RECEIVED,
        source: 'webhook',
      },
      phone: '+15551230001',
      email: 'Ann@Example.com',
      shopifyCustomerId: '77',
      messages: { received: 0, lastAt: null },
      possibleOptOut: false,
      firstSeenAt: '2026-03-01T10:00:00.000000Z',
      revision: 0,
    })
  })

  test('is not there for one who was never heard of', () => {
    expect(rowAfter(arrived(optIn(TIME, { subscriber_id: 's_other' })))).toBeNull()
  })

  test('is not made by what concerns no subscriber', () => {
    const log = new Log()
    log.receive(delivery('shop.test', {}), RECEIVED)
    log.receive(delivery('shop.email_collected', { email: 'ann@example.com' }), RECEIVED)
    log.receive(delivery('shop.subscriber.opt_in', {}), RECEIVED)
    log.receive('not json', RECEIVED)
    using built = build(subscriberStatus, log.events)
    expect(built.queries.list(SHOP, { status: null, phones: null, email: null }, null, 10)).toEqual([])
  })

  test('is of one shop: the same id in another is another subscriber', () => {
    const log = new Log(SHOP, 'shop_b')
    log.receive(optIn(TIME), RECEIVED)
    log.receive({ ...optOut(TIME), resource_id: 'shop_b' }, RECEIVED)
    using built = build(subscriberStatus, log.events)
    expect(built.queries.get(SHOP, SUBSCRIBER)?.status).toBe('subscribed')
    expect(built.queries.get('shop_b', SUBSCRIBER)?.status).toBe('unsubscribed')
  })

  test('counts a message once, however often and however differently it was told', () => {
    given(message(TIME), message(LATER, { id: 'im_2' }))
      .when(message(TIME, { body: 'Other' }), { ...message(TIME), event_time: LATER })
      .thenReading(row({ messages: { received: 2, lastAt: '2026-03-01T11:00:00.000000Z' } }))
  })

  test('counts each message that came without an id', () => {
    given(message(TIME, { id: null, body: 'One' }))
      .when(message(TIME, { id: null, body: 'Two' }))
      .thenReading(row({ messages: { received: 2 } }))
  })

  test('has the phone and the address that were told last, not those that arrived last', () => {
    given(optIn(LATER, { phone_number: '+15551230002', email: 'new@example.com', shopify_customer_id: 2 }))
      .when(
        optIn(TIME, { phone_number: '+15551230001', email: 'old@example.com', shopify_customer_id: 1 }),
        message(LATER, { from_number: null }),
      )
      .thenReading(
        row({
          phone: '+15551230002',
          email: 'new@example.com',
          shopifyCustomerId: '2',
          firstSeenAt: '2026-03-01T10:00:00.000000Z',
        }),
      )
  })

  test('changes with an opt-in that arrives after the opt-out that followed it: not the status', () => {
    given(optOut(LATER))
      .when(optIn(TIME))
      .thenReading(
        row({
          status: 'unsubscribed',
          since: '2026-03-01T11:00:00.000000Z',
          firstSeenAt: '2026-03-01T10:00:00.000000Z',
        }),
      )
  })

  test('has an earlier beginning once an earlier opt-in arrives', () => {
    given(optIn(LATER))
      .when(optIn(TIME))
      .thenReading(row({ since: '2026-03-01T10:00:00.000000Z' }))
  })

  test('is the consent that the stream gives, evidence and all, whatever arrived in whatever order', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const events = recorded(story)
        const consent = consentAt(events.map(interpretSubscriber), { at: null, knownAt: null })
        const { status, since, evidence, possibleOptOut } = rowAfter(events) ?? {}
        expect({ status, since, evidence, possibleOptOut }).toEqual(consent)
      }),
      { numRuns: 300 },
    )
  })

  test('is the same for every order of arrival, but for revisions and times of recording', () =>
    expectSameRowsInAnyOrder())

  test('has the revision of the last event', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const events = recorded(story)
        expect(rowAfter(events)?.revision).toBe(events.length - 1)
      }),
    )
  })
})

describe('replaying the same log', () => {
  test('gives the same rows, byte for byte, whatever the positions of its engine', () =>
    expectSameRowsWhenReplayed())
})

describe('the list of subscribers', () => {
  const nobody = { status: null, phones: null, email: null }
  const people = arrived(
    optIn(TIME, { subscriber_id: 's_a', phone_number: '+15551230001', email: 'Ann@Example.com' }),
    optOut(TIME, { subscriber_id: 's_b', phone_number: '15551230001', email: 'bob@example.com' }),
    optIn(TIME, { subscriber_id: 's_c', phone_number: '+15551230003', email: 'ann@EXAMPLE.com' }),
    emailCollected(TIME, { subscriber_id: 's_d' }),
    // Moved on from a number that she once had.
    optIn(LATER, { subscriber_id: 's_c', phone_number: '+15551230004' }),
    optIn(TIME, { subscriber_id: 'S_upper', phone_number: '+15551230001' }),
  )
  const listed = (filter: Partial<typeof nobody> | object, after: string | null = null, limit = 10) => {
    using built = build(subscriberStatus, people)
    return built.queries.list(SHOP, { ...nobody, ...filter }, after, limit).map((row) => row.subscriberId)
  }

  test.each<[string, object, string[]]>([
    ['all', {}, ['S_upper', 's_a', 's_b', 's_c', 's_d']],
    ['by status: subscribed', { status: 'subscribed' }, ['S_upper', 's_a', 's_c']],
    ['by status: unsubscribed', { status: 'unsubscribed' }, ['s_b']],
    ['by status: unknown', { status: 'unknown' }, ['s_d']],
    ['by one spelling of a phone', { phones: ['+15551230001'] }, ['S_upper', 's_a']],
    ['by every spelling of a phone', { phones: ['+15551230001', '15551230001'] }, ['S_upper', 's_a', 's_b']],
    ['by a phone that she has', { phones: ['+15551230004'] }, ['s_c']],
    ['by a phone that she no longer has', { phones: ['+15551230003'] }, []],
    ['by no spelling', { phones: [] }, []],
    ['by e-mail, in any case', { email: 'ANN@example.COM' }, ['s_a', 's_c']],
    ['by e-mail, all of it', { email: 'nn@example.com' }, []],
    ['by e-mail, literally', { email: '%' }, []],
    ['by all of it', { status: 'subscribed', phones: ['+15551230001'], email: 'ann@example.com' }, ['s_a']],
    ['by what no one is', { status: 'unsubscribed', email: 'ann@example.com' }, []],
  ])('%s', (_name, filter, expected) => {
    expect(listed(filter)).toEqual(expected)
  })

  test('is of one shop', () => {
    using built = build(subscriberStatus, people)
    expect(built.queries.list('shop_other', nobody, null, 10)).toEqual([])
    expect(built.queries.everHad('shop_other', ['+15551230001'])).toEqual([])
  })

  test('everybody who ever had a number is found by it', () => {
    using built = build(subscriberStatus, people)
    expect(built.queries.everHad(SHOP, ['+15551230003'])).toEqual(['s_c'])
    expect(built.queries.everHad(SHOP, ['+15551230004'])).toEqual(['s_c'])
    expect(built.queries.everHad(SHOP, ['+15551230001', '15551230001'])).toEqual(['S_upper', 's_a', 's_b'])
    expect(built.queries.everHad(SHOP, ['+15551239999'])).toEqual([])
    expect(built.queries.everHad(SHOP, [])).toEqual([])
  })

  test('a number that was told late, of long ago, was had too', () => {
    const events = arrived(
      optIn(LATER, { phone_number: '+15551230002' }),
      optIn(TIME, { phone_number: '+15551230001' }),
    )
    using built = build(subscriberStatus, events)
    expect(built.queries.everHad(SHOP, ['+15551230001'])).toEqual([SUBSCRIBER])
    expect(built.queries.get(SHOP, SUBSCRIBER)?.phone).toBe('+15551230002')
  })

  test('its pages, one after the other, have everybody once', () => {
    const ids = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/), { maxLength: 12 })
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 5 }), (subscribers, limit) => {
        const events = arrived(...subscribers.map((subscriber_id) => optIn(TIME, { subscriber_id })))
        using built = build(subscriberStatus, events)
        const found: string[] = []
        for (;;) {
          const page = built.queries.list(SHOP, nobody, found.at(-1) ?? null, limit)
          found.push(...page.map((row) => row.subscriberId))
          if (page.length < limit) break
        }
        expect(found).toEqual(subscribers.toSorted())
      }),
      { numRuns: 50 },
    )
  })
})
