import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import {
  EventMetadata,
  eventHash,
  eventIdOf,
  identify,
  parseStreamName,
  type StoredEvent,
  streams,
} from '../../src/ledger/event.ts'
import { canonicalJson, isJsonObject, type JsonObject, parseJsonObject } from '../../src/ledger/json.ts'
import { instant, Log, message, optIn, optOut, placeBody, SHOP } from './deliveries.ts'
import { objectValue, spell } from './spellings.ts'
import { doubtfulStory, recorded } from './stories.ts'

const UUID_V8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const TIME = '2026-03-01T10:00:00.000000'

const idOf = (body: JsonObject) => identify(body).id
const json = (value: unknown): JsonObject => parseJsonObject(JSON.stringify(value))
const jsonObject = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).map(json)

describe('the storage format', () => {
  // Computed by another program, from design.md: what is on disk must be readable for ever.
  test('an event is stored under the id and the hash that design.md says', () => {
    const event = new Log().receive(
      optOut(TIME, { note: 'Grüße' }),
      instant('2026-03-01T10:00:01'),
      instant('2026-03-01T10:00:02'),
    )
    expect(event).toEqual({
      stream: 'postscript.subscriber-shop_1234567abcd.s_7f3a9',
      revision: 0,
      position: event.position,
      type: 'shop.subscriber.opt_out',
      data: optOut(TIME, { note: 'Grüße' }),
      metadata: {
        schema: 1,
        id: '2bfc80a1-9f60-86dd-bde3-937715cc58b7',
        source: 'webhook',
        receivedAt: '2026-03-01T10:00:01.000000Z',
        recordedAt: '2026-03-01T10:00:02.000000Z',
        writer: 'writer-1',
        sha256: '2650b46f3b0c169a1a30ec687f4e601d03f180b2da03ac3295711a1fc606be0b',
        signedWith: '0123456789ab',
        prev: null,
        hash: '8c1d93d9d93c7bfc38769148d852bd72978efe8eedbb3e521feb84d69db1731f',
      },
    })
  })

  test('what cannot be read has the id of its bytes', () => {
    const event = new Log().receive('not json', instant('2026-03-01T10:00:01'))
    expect(event.metadata.id).toBe('dc462922-2609-8b8c-b3a7-a30dfa8934ea')
    expect(event.stream).toBe('postscript.unplaced-shop_1234567abcd.dc')
  })

  test('stream names are read as they are written', () => {
    const subscriber = streams.subscriber('shop_1', 's-2')
    expect(subscriber).toBe('postscript.subscriber-shop_1.s-2')
    expect(parseStreamName(subscriber)).toEqual({ kind: 'subscriber', shopId: 'shop_1', subscriberId: 's-2' })
    expect(parseStreamName(streams.shop('shop_1', 'abcdef'))).toEqual({ kind: 'shop', shopId: 'shop_1' })
    expect(parseStreamName(streams.unplaced('shop_1', 'abcdef'))).toEqual({
      kind: 'unplaced',
      shopId: 'shop_1',
    })
  })

  test.each([
    '',
    '$ce-postscript',
    'postscript.subscriber-shop',
    'postscript.other-a.b',
    'xpostscript.shop-a.b',
  ])('%j is no stream of the ledger', (stream) => {
    expect(parseStreamName(stream)).toBeNull()
  })
})

describe('event ids', () => {
  test('the same event through another subscription has the same id', () => {
    const body = message(TIME)
    expect(idOf({ ...body, webhook_id: 'webhook_other' })).toBe(idOf(body))
    const { webhook_id: _, ...without } = body
    expect(idOf(without)).toBe(idOf(body))
  })

  test('any spelling of the same body has the same id', () => {
    fc.assert(
      fc.property(objectValue, fc.gen(), (value, draw) => {
        const [one, other] = [spell(value, draw), spell(value, draw)]
        expect(idOf(parseJsonObject(one))).toBe(idOf(parseJsonObject(other)))
      }),
    )
  })

  test('any other change of the body is another event', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (data, other) => {
        fc.pre(!isDeepStrictEqual(data, other))
        expect(idOf(message(TIME, { nested: data }))).not.toBe(idOf(message(TIME, { nested: other })))
        const { webhook_id: _, ...around } = other
        fc.pre(Object.keys(around).length > 0 && !isDeepStrictEqual({ ...data, ...around }, data))
        expect(idOf({ ...data, ...around })).not.toBe(idOf(data))
      }),
    )
  })

  test('a webhook_id further in is part of the event', () => {
    expect(idOf(message(TIME, { webhook_id: 'a' }))).not.toBe(idOf(message(TIME, { webhook_id: 'b' })))
  })

  test('ids are UUIDs of version 8', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(eventIdOf(text)).toMatch(UUID_V8)
      }),
    )
  })

  test('an event delivered again is found, not stored again', () => {
    const log = new Log()
    const first = log.receive(message(TIME), instant('2026-03-01T10:00:01'))
    const again = log.receive(
      JSON.stringify({ ...message(TIME), webhook_id: 'webhook_2' }, null, 2),
      instant('2026-03-01T10:05:00'),
    )
    expect(again).toBe(first)
    expect(log.events).toHaveLength(1)
  })
})

describe('the chain', () => {
  test('each event names the hash of the one before it, and its own is right', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        let prev: string | null = null
        recorded(story).forEach((event, index) => {
          expect(event.revision).toBe(index)
          expect(event.metadata.prev).toBe(prev)
          expect(event.metadata.hash).toBe(eventHash(event))
          prev = event.metadata.hash
        })
      }),
    )
  })

  test('is of one stream: nothing of another is in it', () => {
    const [alone, beside] = [new Log(), new Log()]
    const at = instant('2026-03-01T10:00:01')
    beside.receive(optIn(TIME, { subscriber_id: 's_other' }), at)
    const { position: _, ...event } = alone.receive(optIn(TIME), at)
    expect(beside.receive(optIn(TIME), at)).toMatchObject(event)
  })

  test('the time of recording never goes back, and is the clock as long as the clock goes on', () => {
    const clock = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1 })
    fc.assert(
      fc.property(clock, (seconds) => {
        const log = new Log()
        let latest = ''
        seconds.forEach((second, index) => {
          const now = instant(`2026-03-01T10:00:0${second}`)
          const { recordedAt } = log.receive(optIn(TIME, { n: index }), now).metadata
          latest = now > latest ? now : latest
          expect(recordedAt).toBe(latest)
        })
      }),
    )
  })
})

const Stored = z.object({
  stream: z.string(),
  revision: z.int(),
  type: z.string(),
  data: z.custom<JsonObject>(isJsonObject),
  metadata: EventMetadata,
})

function withoutPosition({ position: _, ...event }: StoredEvent): Omit<StoredEvent, 'position'> {
  return event
}

describe('the hash pins the event', () => {
  const log = new Log()
  const at = instant('2026-03-01T10:00:01')
  log.receive(optIn(TIME), at)
  const event = log.receive(JSON.stringify(message(TIME, { n: [1, { deep: true }] }), null, 1), at)
  const pinned = withoutPosition(event)

  test('it is right as long as nothing was changed', () => {
    expect(eventHash(event)).toBe(event.metadata.hash)
    expect(Object.keys(event.metadata).sort()).toEqual(
      [
        'schema',
        'id',
        'source',
        'receivedAt',
        'recordedAt',
        'writer',
        'sha256',
        'raw',
        'signedWith',
        'prev',
        'hash',
      ].sort(),
    )
  })

  test.each<[string, Partial<StoredEvent>]>([
    ['stream', { stream: streams.subscriber(SHOP, 's_other') }],
    ['revision', { revision: 0 }],
    ['type', { type: 'shop.subscriber.opt_in' }],
    ['a value of the data', { data: { ...event.data, event_time: '2026-03-01T10:00:00.000001' } }],
    ['a new key in the data', { data: { ...event.data, more: null } }],
    ['no data', { data: {} }],
    ['another person', { data: message(TIME, { n: [1, { deep: false }] }) }],
  ])('it is wrong after a change of: %s', (_name, change) => {
    expect(eventHash({ ...event, ...change })).not.toBe(event.metadata.hash)
  })

  test.each<[string, Partial<EventMetadata>]>([
    ['id', { id: '2bfc80a1-9f60-86dd-bde3-937715cc58b7' }],
    ['source', { source: 'manual' }],
    ['receivedAt', { receivedAt: instant('2026-03-01T10:00:01.000001') }],
    ['recordedAt', { recordedAt: instant('2026-03-01T10:00:01.000001') }],
    ['writer', { writer: 'writer-2' }],
    ['sha256', { sha256: '0'.repeat(64) }],
    ['raw', { raw: '{}' }],
    ['signedWith', { signedWith: '0123456789ac' }],
    ['prev', { prev: null }],
    ['a key that a later release may add', { erasedAt: null }],
  ])('it is wrong after a change of the metadata: %s', (_name, change) => {
    expect(eventHash({ ...event, metadata: { ...event.metadata, ...change } })).not.toBe(event.metadata.hash)
  })

  test.each(['raw', 'signedWith'])('it is wrong once %s is gone', (key) => {
    const metadata = EventMetadata.parse(
      Object.fromEntries(Object.entries(event.metadata).filter(([name]) => name !== key)),
    )
    expect(eventHash({ ...event, metadata })).not.toBe(event.metadata.hash)
  })

  test('whichever byte of the stored text is changed, it shows', () => {
    const text = JSON.stringify(pinned)
    const before = canonicalJson(parseJsonObject(text))
    const unit = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 1 })
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), unit, (index, other) => {
        const changed = readJson(`${text.slice(0, index)}${other}${text.slice(index + 1)}`)
        fc.pre(changed !== null && canonicalJson(changed) !== before)
        const stored = Stored.safeParse(changed)
        if (stored.success) expect(eventHash(stored.data)).not.toBe(stored.data.metadata.hash)
      }),
      { numRuns: 2000 },
    )
  })

  test('a body is stored with the text it came in only where that cannot be made again from its data', () => {
    const body = message(TIME)
    expect(placeBody(body).event.raw).toBeUndefined()
    const spaced = JSON.stringify(body, null, 2)
    expect(placeBody(spaced).event.raw).toBe(spaced)
    const exact = JSON.stringify(body).replace('"im_1"', '12345678901234567890')
    expect(placeBody(exact).event.raw).toBe(exact)
    expect(placeBody(exact).event.data).toEqual(message(TIME, { id: '12345678901234567890' }))
  })
})

function readJson(text: string): JsonObject | null {
  try {
    return parseJsonObject(text)
  } catch {
    return null
  }
}
