import { describe, expect, test } from 'vitest'
import { type StoredEvent, streams } from '../../src/ledger/event.ts'
import {
  ForeignEvent,
  interpret,
  interpretSubscriber,
  readsLikeRevocation,
} from '../../src/ledger/interpret.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import {
  delivery,
  emailCollected,
  instant,
  Log,
  message,
  optIn,
  optOut,
  ownEvent,
  SHOP,
  SUBSCRIBER,
  subscriberObject,
} from './deliveries.ts'

const TIME = '2026-03-01T10:00:00.000001'
const RECEIVED = instant('2026-03-01T10:00:05')
const RECORDED = instant('2026-03-01T10:00:06')

const kept = (body: JsonObject | string): StoredEvent => new Log().receive(body, RECEIVED, RECORDED)
const factOf = (body: JsonObject | string) => interpret(kept(body))
const subscriberFactOf = (body: JsonObject) => interpretSubscriber(kept(body))

function observation(subscriber: JsonObject, observedAt = TIME) {
  return interpret(new Log().tell({ source: 'api', subscriber, observedAt }, RECEIVED, RECORDED))
}

function entry(consent: string, occurredAt = TIME) {
  return interpret(new Log().tell({ source: 'manual', consent, occurredAt, key: 'k1' }, RECEIVED, RECORDED))
}

function messageFrom(data: JsonObject) {
  const fact = factOf(message(TIME, data))
  if (fact.kind !== 'message') throw new TypeError(fact.kind)
  return fact.message
}

describe('what an event says', () => {
  test.each([
    ['opt_in', optIn(TIME)],
    ['opt_out', optOut(TIME)],
    ['message', message(TIME)],
    ['email', emailCollected(TIME)],
    ['email', delivery('shop.shop.email_collected', { subscriber_id: SUBSCRIBER })],
    ['other', delivery('shop.subscriber.tagged', { subscriber_id: SUBSCRIBER })],
    ['other', delivery('ledger.consent_entered', { subscriber_id: SUBSCRIBER, consent: 'opt_in' })],
    ['shop', delivery('shop.test', {})],
    ['shop', delivery('shop.email_collected', { email: 'ann@example.com' })],
    ['unplaced', delivery('shop.subscriber.opt_in', {})],
    ['unplaced', 'not json'],
  ])('%s: %j', (kind, body) => {
    expect(factOf(body)).toMatchObject({ kind, shopId: SHOP })
  })

  test('a subscriber is who the stream says', () => {
    expect(factOf(optIn(TIME))).toMatchObject({ shopId: SHOP, subscriberId: SUBSCRIBER })
  })

  test('the evidence says where the event is found', () => {
    const event = kept(optIn(TIME))
    expect(interpret(event).evidence).toEqual({
      eventId: event.metadata.id,
      type: 'shop.subscriber.opt_in',
      revision: 0,
      occurredAt: '2026-03-01T10:00:00.000001Z',
      recordedAt: RECORDED,
      source: 'webhook',
    })
  })

  test('a message is read with its sender and its text', () => {
    expect(messageFrom({ id: 'im_9', body: 'Hi', from_number: '+15550001111' })).toEqual({
      id: 'im_9',
      from: '+15550001111',
      body: 'Hi',
      isOptOut: false,
      possibleOptOut: false,
    })
    expect(messageFrom({ id: null, body: null, from_number: null })).toMatchObject({
      id: null,
      from: null,
      body: null,
    })
    expect(messageFrom({ id: 17 }).id).toBe('17')
  })

  test.each([
    [true, 'stop', true, false],
    [false, 'stop', false, true],
    [null, 'stop', false, true],
    ['true', 'stop', false, true],
    [false, 'hi', false, false],
    [true, 'hi', true, false],
  ])('is_opt_out %j with %j: opt-out %s, possible opt-out %s', (is_opt_out, body, isOptOut, possibleOptOut) => {
    expect(messageFrom({ is_opt_out, body })).toMatchObject({ isOptOut, possibleOptOut })
  })

  test('two tellings of a message are the same where their data are', () => {
    const told = (body: JsonObject) => {
      const fact = factOf(body)
      return fact.kind === 'message' ? fact.told : fact.kind
    }
    const first = message(TIME)
    expect(told({ ...first, event_time: '2026-03-01T10:05:00', webhook_id: 'w' })).toBe(told(first))
    expect(told(message(TIME, { body: 'Other' }))).not.toBe(told(first))
  })

  test.each([
    [true, true],
    [false, false],
    [null, null],
  ])('an observation of can_send %j', (canSend, expected) => {
    expect(observation(subscriberObject(canSend))).toMatchObject({
      kind: 'observation',
      canSend: expected,
      evidence: { source: 'api' },
    })
  })

  test.each<[JsonObject]>([
    [{ subscriptions: 'all' }],
    [{ subscriptions: { promotional: true } }],
    [{ subscriptions: { promotional: { can_send: 'true' } } }],
    [{ subscriptions: { transactional: { can_send: true } } }],
  ])('%j says nothing of consent', (fields) => {
    expect(observation(subscriberObject(null, fields))).toMatchObject({ canSend: null })
  })

  test.each([
    ['opt_in', 'opt_in'],
    ['opt_out', 'opt_out'],
    ['perhaps', null],
  ])('an entry of %j', (consent, expected) => {
    expect(entry(consent)).toMatchObject({ kind: 'entry', consent: expected, evidence: { source: 'manual' } })
  })

  test('an unplaced event says why, and where it went', () => {
    const log = new Log()
    const unplaced = log.receive('not json', RECEIVED)
    expect(interpret(unplaced)).toMatchObject({ kind: 'unplaced', reason: 'not-json' })
    const { id } = unplaced.metadata
    const data = { eventId: id, stream: streams.subscriber(SHOP, SUBSCRIBER), revision: 3 }
    const placed = log.append(unplaced.stream, ownEvent('ledger.placed', data, 'webhook', RECEIVED), RECORDED)
    expect(interpret(placed)).toMatchObject({
      kind: 'placed',
      eventId: id,
      placedIn: 'postscript.subscriber-shop_1234567abcd.s_7f3a9',
      timeDoubt: false,
    })
  })

  test.each([
    'somebody-else',
    '$settings',
    'postscript.other-a.b',
    'ledger.x',
  ])('an event of the stream %s is foreign', (stream) => {
    expect(() => interpret({ ...kept(optIn(TIME)), stream })).toThrow(ForeignEvent)
  })

  test('only the facts of a subscriber are read as such', () => {
    expect(() => interpretSubscriber(kept(delivery('shop.test', {})))).toThrow(ForeignEvent)
    expect(() => interpretSubscriber(kept('not json'))).toThrow(ForeignEvent)
    expect(subscriberFactOf(optIn(TIME)).kind).toBe('opt_in')
  })
})

describe('when it happened', () => {
  const at = (body: JsonObject) => {
    const { occurredAt, timeDoubt } = factOf(body)
    return timeDoubt ? `doubted ${occurredAt}` : occurredAt
  }
  const doubted = `doubted ${RECEIVED}`

  test('a message: when it was created, before when it was told', () => {
    expect(at({ ...message(TIME), event_time: '2026-03-01T10:00:03' })).toBe('2026-03-01T10:00:00.000001Z')
  })

  test('a message without that: when it was told', () => {
    expect(at({ ...message(TIME, { created_at: null }), event_time: '2026-03-01T10:00:03' })).toBe(
      '2026-03-01T10:00:03.000000Z',
    )
  })

  test('a message created at no time is doubted, whenever it was told', () => {
    expect(at(message(TIME, { created_at: 'just now' }))).toBe(doubted)
  })

  test('anything else: the time of the event, whatever its data say', () => {
    expect(at(optIn(TIME, { created_at: '2026-02-01T00:00:00' }))).toBe('2026-03-01T10:00:00.000001Z')
  })

  test.each([
    ['2026-03-01T12:00:00.000001+02:00', '2026-03-01T10:00:00.000001Z', 'another zone'],
    ['2000-01-01T00:00:00', '2000-01-01T00:00:00.000000Z', 'the earliest'],
    ['2026-03-01T10:05:05.000000', '2026-03-01T10:05:05.000000Z', 'five minutes ahead'],
    ['2026-03-01T10:05:05.000001', doubted, 'a microsecond more'],
    ['1999-12-31T23:59:59.999999', doubted, 'before 2000'],
    ['2099-01-01T00:00:00', doubted, '2099'],
    ['9999-12-31T23:59:59', doubted, 'the last year'],
    ['yesterday', doubted, 'words'],
    ['2026-02-30T10:00:00', doubted, 'no such day'],
    ['', doubted, 'nothing'],
  ])('%j: %s (%s)', (time, expected) => {
    expect(at(optIn(time))).toBe(expected)
    expect(at(message(time))).toBe(expected)
  })

  test.each([null, 1772359200, {}, [TIME]])('a time that is %j is none', (event_time) => {
    expect(at({ ...optIn(TIME), event_time })).toBe(doubted)
  })

  test('a missing time is none', () => {
    const { event_time: _, ...body } = optIn(TIME)
    expect(at(body)).toBe(doubted)
  })

  test('an observation: when it was asked for; an entry: when the person said', () => {
    const time = '2026-03-01T09:00:00'
    const expected = { occurredAt: '2026-03-01T09:00:00.000000Z', timeDoubt: false }
    expect(observation(subscriberObject(true), time)).toMatchObject(expected)
    expect(entry('opt_in', time)).toMatchObject(expected)
    expect(entry('opt_in', 'some day')).toMatchObject({ occurredAt: RECEIVED, timeDoubt: true })
  })

  test('what cannot be read happened when it came, without doubt', () => {
    expect(factOf('not json')).toMatchObject({ occurredAt: RECEIVED, timeDoubt: false })
  })
})

describe('how a subscriber is reached', () => {
  const contact = (data: JsonObject) => subscriberFactOf(optIn(TIME, data)).contact

  test.each([
    [{ phone_number: '+15551230001' }, '+15551230001'],
    [{ phone: '+15551230001' }, '+15551230001'],
    [{ from_number: '+15551230001' }, '+15551230001'],
    [{ phone_number: '+15551230001', phone: '+15551230002', from_number: '+15551230003' }, '+15551230001'],
    [{ phone_number: 'none', phone: '+15551230002' }, '+15551230002'],
    [{ phone_number: '+1 (555) 123-0001' }, '+15551230001'],
    [{ phone_number: 15551230001 }, '15551230001'],
    [{ subscriber: { phone_number: '+15551230001' } }, '+15551230001'],
    [{ phone: '+15551230001', subscriber: { phone_number: '+15551230002' } }, '+15551230001'],
    [{ phone_number: '1234' }, null],
    [{ phone_number: '+1+5551230001' }, null],
    [{ phone_number: null }, null],
    [{}, null],
  ])('phone of %j: %j', (data, phone) => {
    expect(contact(data).phone).toBe(phone)
  })

  test.each([
    [{ email: ' Ann@Example.com ' }, 'Ann@Example.com'],
    [{ email_address: 'ann@example.com' }, 'ann@example.com'],
    [{ subscriber: { email: 'ann@example.com' } }, 'ann@example.com'],
    [{ email: 'ann' }, null],
    [{ email: 'ann@exam ple.com' }, null],
    [{ email: 'ann\u0000@example.com' }, null],
    [{ email: 'ann\ud800@example.com' }, null],
    [{ email: 5 }, null],
  ])('e-mail of %j: %j', (data, email) => {
    expect(contact(data).email).toBe(email)
  })

  test.each([
    [{ shopify_customer_id: 77 }, '77'],
    [{ shopify_customer_id: '77' }, '77'],
    [{ shopify_customer_id: null }, null],
    [{ shopify_customer_id: '' }, null],
    [{ subscriber: { shopify_customer_id: 77 } }, '77'],
  ])('Shopify’s customer of %j: %j', (data, id) => {
    expect(contact(data).shopifyCustomerId).toBe(id)
  })

  test('the API’s object says it too', () => {
    const fact = observation(subscriberObject(true, { email: 'ann@example.com', shopify_customer_id: 77 }))
    expect(fact).toMatchObject({
      contact: { phone: '+15551234567', email: 'ann@example.com', shopifyCustomerId: '77' },
    })
  })
})

describe('a message that reads like a revocation', () => {
  test.each([
    'stop',
    'STOP',
    'STOP.',
    'Stop!!!',
    ' stop ',
    'please stop texting',
    "don't stop",
    'ＳＴＯＰ',
    'please\nstop',
    'opt out',
    'opt-out',
    'optout',
    'OPT–OUT',
    'Opt  Out please',
    'quit',
    'I revoke my consent',
    'cancel',
    'Cancel my texts',
    'unsubscribe',
    'UNSUBSCRIBE me',
    'end',
    'End',
    'END.',
    ' end! ',
    '"end"',
    'end 👍',
  ])('%j', (body) => {
    expect(readsLikeRevocation(body)).toBe(true)
  })
})

describe('a message that does not', () => {
  test.each([
    '',
    'hi',
    'nonstop',
    'stopwatch',
    'weekend',
    'the end of it',
    'in the end',
    'endless',
    'cancellation',
    'quitting',
    'subscribe',
    'unsubscribed',
    'opt in',
    'optical outlet',
    'yes',
    'START',
  ])('%j', (body) => {
    expect(readsLikeRevocation(body)).toBe(false)
  })
})
