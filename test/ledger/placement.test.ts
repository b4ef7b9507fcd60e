import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../src/ledger/event.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import { unplacedReason } from '../../src/ledger/placement.ts'
import {
  delivery,
  emailCollected,
  instant,
  Log,
  message,
  optIn,
  optOut,
  placeBody,
  SHOP,
} from './deliveries.ts'

const TIME = '2026-03-01T10:00:00.000000'
const HERS = 'postscript.subscriber-shop_1234567abcd.s_7f3a9'

const streamOf = (body: JsonObject | string | Uint8Array) => placeBody(body).stream
const typeOf = (body: JsonObject) => placeBody(body).event.type
const subscriberStream = (id: string) => `postscript.subscriber-${SHOP}.${id}`
/** The stream of a shop for an event, by kind. */
const shared = (kind: 'shop' | 'unplaced', shop: string, id: string) =>
  `postscript.${kind}-${shop}.${id.slice(0, 2)}`

function kept(body: JsonObject | string | Uint8Array, ...shops: string[]): StoredEvent {
  return new Log(...shops).receive(body, instant('2026-03-01T10:00:01'))
}

/** Why it stands where it is; the stream is checked to be the one for unplaced events. */
function reasonOf(body: JsonObject | string | Uint8Array): string {
  const event = kept(body)
  expect(event.stream).toBe(shared('unplaced', SHOP, event.metadata.id))
  return unplacedReason(event)
}

describe("a subscriber's events", () => {
  test.each([
    ['an opt-in', optIn(TIME)],
    ['an opt-out', optOut(TIME)],
    ['a message', message(TIME)],
    ['an e-mail address', emailCollected(TIME)],
    ['an event of a name unheard of', delivery('shop.order.placed', { subscriber_id: 's_7f3a9' })],
    ['an event without a name', delivery('', { subscriber_id: 's_7f3a9' })],
  ])('stand in their stream: %s', (_name, body) => {
    expect(streamOf(body)).toBe(HERS)
  })

  test.each<[string, JsonObject, string]>([
    ['subscriber_id', { subscriber_id: 's_1', id: 's_2', subscriber: { id: 's_3' } }, 's_1'],
    ['an id that is a subscriber’s', { id: 's_2', subscriber: { id: 's_3' } }, 's_2'],
    ['the id of subscriber', { id: 'im_2', subscriber: { id: 's_3' } }, 's_3'],
    ['subscriber itself', { subscriber: 's_4' }, 's_4'],
    ['a number', { subscriber_id: 123456 }, '123456'],
    ['a number beyond a double', { subscriber_id: '1234567890123456789' }, '1234567890123456789'],
    ['an old id without prefix', { subscriber_id: 'Ab-9_z' }, 'Ab-9_z'],
    ['64 characters', { subscriber_id: 'x'.repeat(64) }, 'x'.repeat(64)],
    ['an empty subscriber_id is none', { subscriber_id: '', subscriber: { id: 's_3' } }, 's_3'],
    ['null is none', { subscriber_id: null, id: 's_2' }, 's_2'],
  ])('are found by %s', (_name, data, id) => {
    expect(streamOf(delivery('shop.subscriber.opt_in', data))).toBe(subscriberStream(id))
  })

  test('a 19-digit number is not rounded on the way', () => {
    const text = JSON.stringify(delivery('shop.subscriber.opt_in', { subscriber_id: 0 }))
    expect(streamOf(text.replace('"subscriber_id":0', '"subscriber_id":1234567890123456781'))).toBe(
      subscriberStream('1234567890123456781'),
    )
  })

  test('the shop may be named by the data alone', () => {
    const body = { ...optIn(TIME, { shop_id: SHOP }), resource_id: null }
    expect(streamOf(body)).toBe(HERS)
  })
})

describe('what concerns a shop and no subscriber', () => {
  test.each([
    ['a test', delivery('shop.test', { anything: true })],
    ['a test that names a subscriber', delivery('shop.test', { subscriber_id: 's_7f3a9' })],
    ['an e-mail address of a visitor', delivery('shop.email_collected', { email: 'ann@example.com' })],
    ['the same in the other spelling', delivery('shop.shop.email_collected', { email: 'ann@example.com' })],
  ])("stands in the shop's streams: %s", (_name, body) => {
    const { stream, event } = placeBody(body)
    expect(stream).toBe(shared('shop', SHOP, event.id))
  })
})

describe('event types', () => {
  test.each([
    ['shop.subscriber.opt_in', 'shop.subscriber.opt_in'],
    ['shop.email_collected', 'shop.email_collected'],
    ['shop.shop.email_collected', 'shop.email_collected'],
    ['shop.test', 'shop.test'],
    ['shop.anything-new_2', 'shop.anything-new_2'],
    ['x'.repeat(100), 'x'.repeat(100)],
    ['ledger', 'ledger'],
    ['webhook', 'webhook'],
    ['ledgers.x', 'ledgers.x'],
    ['x'.repeat(101), 'webhook.unnamed'],
    ['', 'webhook.unnamed'],
    ['shop opt_in', 'webhook.unnamed'],
    ['shop.opt_in\n', 'webhook.unnamed'],
    ['$metadata', 'webhook.unnamed'],
    ['schöp', 'webhook.unnamed'],
    ['ledger.placed', 'webhook.unnamed'],
    ['ledger.consent_entered', 'webhook.unnamed'],
    ['ledger.x', 'webhook.unnamed'],
    ['ledger.', 'webhook.unnamed'],
    ['webhook.unnamed', 'webhook.unnamed'],
    ['webhook.x', 'webhook.unnamed'],
  ])('%j is stored as %s', (name, type) => {
    expect(typeOf(delivery(name, { subscriber_id: 's_7f3a9' }))).toBe(type)
  })

  test.each([null, 5, true, {}, ['shop.test']])('a name that is %j is none', (event) => {
    expect(typeOf({ ...optIn(TIME), event })).toBe('webhook.unnamed')
  })

  test('a missing name is none', () => {
    const { event: _, ...body } = optIn(TIME)
    expect(typeOf(body)).toBe('webhook.unnamed')
    expect(streamOf(body)).toBe(HERS)
  })

  test('the data keep the name that was sent', () => {
    const body = delivery('shop.shop.email_collected', { subscriber_id: 's_7f3a9' })
    expect(placeBody(body).event.data).toEqual(body)
    expect(placeBody(delivery('ledger.placed', {})).event.data['event']).toBe('ledger.placed')
  })

  test('without name and subscriber it is unplaced', () => {
    expect(reasonOf(delivery('ledger.placed', { stream: HERS }))).toBe('no-subscriber')
  })
})

describe('what cannot be placed is kept, with the reason', () => {
  test.each<[string, JsonObject, string]>([
    ['no data', delivery('shop.subscriber.opt_in', {}), 'no-subscriber'],
    ['data that are no object', { ...optIn(TIME), event_data: ['s_7f3a9'] }, 'no-subscriber'],
    ['an id that is not a subscriber’s', delivery('shop.subscriber.opt_in', { id: 'im_1' }), 'no-subscriber'],
    ['an id that is a list', optIn(TIME, { subscriber_id: ['s_1'] }), 'no-subscriber'],
    ['65 characters', optIn(TIME, { subscriber_id: 'x'.repeat(65) }), 'subscriber-id-unusable'],
    ['a dot in the id', optIn(TIME, { subscriber_id: 's.1' }), 'subscriber-id-unusable'],
    ['white space in the id', optIn(TIME, { subscriber_id: ' s_1' }), 'subscriber-id-unusable'],
    ['a line break after the id', optIn(TIME, { subscriber_id: 's_1\n' }), 'subscriber-id-unusable'],
    ['a phone number for an id', optIn(TIME, { subscriber_id: '+15551234567' }), 'subscriber-id-unusable'],
    [
      'an address for an id',
      emailCollected(TIME, { subscriber_id: 'a@b.example' }),
      'subscriber-id-unusable',
    ],
    ['a fraction for an id', optIn(TIME, { subscriber_id: 1.5 }), 'subscriber-id-unusable'],
    ['no shop', { event: 'shop.subscriber.opt_in', event_data: { subscriber_id: 's_1' } }, 'no-shop'],
    ['no shop, a test', { event: 'shop.test', event_data: {} }, 'no-shop'],
    ['nothing at all', {}, 'no-shop'],
    ['a shop in no config', { ...optIn(TIME), resource_id: 'shop_other' }, 'unknown-shop'],
    ['a shop that can be none', { ...optIn(TIME), resource_id: '../shop' }, 'unknown-shop'],
    [
      'a test of an unknown shop',
      { ...delivery('shop.test', {}), resource_id: 'shop_other' },
      'unknown-shop',
    ],
  ])('%s', (_name, body, reason) => {
    expect(reasonOf(body)).toBe(reason)
    expect(kept(body).data).toEqual(body)
  })

  test('under the shop it names, where that is known', () => {
    const event = kept({ ...delivery('shop.new', {}), resource_id: 'shop_b' }, 'shop_a', 'shop_b')
    expect(event.stream).toBe(shared('unplaced', 'shop_b', event.metadata.id))
    expect(unplacedReason(event)).toBe('no-subscriber')
  })

  test.each<[string, JsonObject | string, string]>([
    ['unknown-shop', { ...optIn(TIME), resource_id: 'shop_c' }, 'shop_c'],
    ['no-shop', { event: 'shop.test' }, ''],
    ['not-json', 'stop', ''],
  ])('under the first shop of its token: %s', (reason, body, shopId) => {
    const event = kept(body, 'shop_a', 'shop_b')
    expect(event.stream).toBe(shared('unplaced', 'shop_a', event.metadata.id))
    expect(unplacedReason(event)).toBe(reason)
    expect(placeBody(body, 'shop_a', 'shop_b').shopId ?? '').toBe(shopId)
  })

  test('what today’s code can place says so', () => {
    const unplaced = kept(delivery('shop.new', {}))
    expect(unplacedReason({ ...unplaced, data: optIn(TIME) })).toBe('placeable')
  })
})

describe('a body that cannot be kept as JSON is kept as bytes', () => {
  // 215 kB as sent, over a million bytes once each number is written out and the text is kept beside it.
  const swollen = `{"event":"shop.test","resource_id":"${SHOP}","n":[${Array(43_000).fill('1e20').join(',')}]}`

  test.each<[string, string, Uint8Array]>([
    ['bad UTF-8', 'not-utf8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ['a surrogate in UTF-8', 'not-utf8', Buffer.from([0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d])],
    ['nothing', 'not-json', Buffer.from('')],
    ['words', 'not-json', Buffer.from('stop')],
    ['half a body', 'not-json', Buffer.from(JSON.stringify(optIn(TIME)).slice(0, -1))],
    ['a byte order mark', 'not-json', Buffer.from(`\ufeff${JSON.stringify(optIn(TIME))}`)],
    ['a list', 'not-an-object', Buffer.from(`[${JSON.stringify(optIn(TIME))}]`)],
    ['null', 'not-an-object', Buffer.from('null')],
    ['65 deep', 'too-deep', Buffer.from(`{"a":${'['.repeat(64)}${']'.repeat(64)}}`)],
    ['100,000 deep', 'too-deep', Buffer.from(`{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`)],
    ['larger than a million bytes once stored', 'too-large', Buffer.from(swollen)],
  ])('%s', (_name, reason, bytes) => {
    expect(bytes.length).toBeLessThan(256 * 1024)
    const event = kept(bytes)
    expect(event.type).toBe('ledger.unreadable')
    expect(event.data).toEqual({ base64: Buffer.from(bytes).toString('base64') })
    expect(event.metadata.raw).toBeUndefined()
    expect(reasonOf(bytes)).toBe(reason)
  })

  test('64 deep is kept as JSON', () => {
    expect(kept(`{"a":${'['.repeat(63)}${']'.repeat(63)}}`).type).toBe('webhook.unnamed')
  })

  test('a million bytes is kept as JSON, one more is not', () => {
    const stored = (size: number) => {
      const empty = JSON.stringify(optIn(TIME, { fill: '' })).length
      return kept(JSON.stringify(optIn(TIME, { fill: 'x'.repeat(size - empty) }))).type
    }
    expect(stored(1_000_000)).toBe('shop.subscriber.opt_in')
    expect(stored(1_000_001)).toBe('ledger.unreadable')
  })

  test('what counts is bytes, not characters', () => {
    expect(kept(JSON.stringify(optIn(TIME, { fill: '☃'.repeat(333_000) }))).type).toBe(
      'shop.subscriber.opt_in',
    )
    expect(kept(JSON.stringify(optIn(TIME, { fill: '☃'.repeat(334_000) }))).type).toBe('ledger.unreadable')
  })

  test('part of a larger buffer is kept as that part', () => {
    const around = Buffer.from('xxstopxx')
    expect(kept(around.subarray(2, 6)).data).toEqual({ base64: Buffer.from('stop').toString('base64') })
  })
})

test('no phone number or e-mail address is ever in the name of a stream', () => {
  const phone = fc.integer({ min: 2_000_000_000, max: 9_999_999_999 }).map((digits) => `+1${digits}`)
  const email = fc.emailAddress()
  const fields: fc.Arbitrary<JsonObject> = fc
    .tuple(phone, email)
    .chain(([number, address]) =>
      fc.dictionary(
        fc.constantFrom(
          ...[
            'subscriber_id',
            'id',
            'subscriber',
            'phone',
            'phone_number',
            'from_number',
            'email',
            'shop_id',
            'body',
          ],
        ),
        fc.oneof(
          fc.constantFrom<(string | JsonObject)[]>(
            number,
            address,
            { id: number },
            { id: address, phone: number },
          ),
          fc.constant('s_1'),
        ),
      ),
    )
  const name = fc.constantFrom('shop.email_collected', 'shop.incoming_message', 'shop.test', 'shop.new', '')
  const shop = fc.oneof(fc.constant(SHOP), phone, email)
  fc.assert(
    fc.property(name, fields, shop, (event, data, resource_id) => {
      const { stream } = placeBody(delivery(event, data, { resource_id }))
      expect(stream).toMatch(
        /^postscript\.(subscriber-shop_1234567abcd\.s_1|(shop|unplaced)-shop_1234567abcd\.[0-9a-f]{2})$/,
      )
    }),
  )
})
