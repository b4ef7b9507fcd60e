import { afterAll, describe, expect, test } from 'vitest'
import { listOf, UnplacedItem } from '../../src/http/schemas.ts'
import { eventHash } from '../../src/ledger/event.ts'
import { delivery, optIn, SHOP } from '../ledger/deliveries.ts'
import { FOREIGN_SHOP, FOREIGN_TOKEN, OTHER_SHOP, runApp, TOKEN } from './running-app.ts'

const ledger = await runApp({}, afterAll)
const TIME = '2026-03-01T10:00:00.000000'
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const deep = `{"resource_id":"${SHOP}","event_data":{"subscriber_id":"s_1","deep":${nested(63)}}}`

async function unplacedOf(shop: string, position: string) {
  const answer = await ledger.read(`/unplaced?after=${position}&limit=200`, shop)
  return listOf(UnplacedItem).parse(answer.json()).items
}

describe('a verified delivery of nobody is kept, answered 200, and shown with the reason', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['an empty body', '', 'not-json'],
    ['words', 'hello', 'not-json'],
    ['half of a JSON object', '{"event":', 'not-json'],
    ['NaN', '{"a":NaN}', 'not-json'],
    ['a byte order mark', '\ufeff{}', 'not-json'],
    ['an array', `[${JSON.stringify(optIn(TIME))}]`, 'not-an-object'],
    ['null', 'null', 'not-an-object'],
    ['text in JSON', '"hello"', 'not-an-object'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 'not-utf8'],
    ['JSON in UTF-16', Buffer.from('{"event":"shop.test"}', 'utf16le'), 'not-json'],
    ['brackets nested 66 deep', deep.replace(nested(63), nested(64)), 'too-deep'],
    ['100,000 brackets', nested(100_000), 'not-an-object'],
    ['100,000 brackets in an object', `{"a":${nested(100_000)}}`, 'too-deep'],
    ['an empty object', '{}', 'no-shop'],
    ['no subscriber', JSON.stringify(delivery('shop.incoming_message', { body: 'hi' })), 'no-subscriber'],
    [
      'no data',
      JSON.stringify({ ...delivery('shop.subscriber.opt_in', {}), event_data: null }),
      'no-subscriber',
    ],
    [
      'an id with a dot in it',
      JSON.stringify(optIn(TIME, { subscriber_id: 's.1' })),
      'subscriber-id-unusable',
    ],
    [
      'an id of 65 letters',
      JSON.stringify(optIn(TIME, { subscriber_id: 's'.repeat(65) })),
      'subscriber-id-unusable',
    ],
    [
      'an address as its id',
      JSON.stringify(optIn(TIME, { subscriber_id: 'a@example.com' })),
      'subscriber-id-unusable',
    ],
    [
      'a path as its id',
      JSON.stringify(optIn(TIME, { subscriber_id: '../../etc' })),
      'subscriber-id-unusable',
    ],
    ['a shop in no config', JSON.stringify({ ...optIn(TIME), resource_id: 'shop_nowhere' }), 'unknown-shop'],
    ['an odd shop id', JSON.stringify({ ...optIn(TIME), resource_id: 'shop.a b' }), 'unknown-shop'],
  ])('%s', async (_, body, reason) => {
    const { result, stream, position } = await ledger.record(body)
    expect(result).toBe('recorded')
    expect(stream).toMatch(new RegExp(`^postscript\\.unplaced-${SHOP}\\.[0-9a-f]{2}$`))
    const item = (await unplacedOf(SHOP, position)).find((one) => one.position === position)
    expect(item).toMatchObject({ stream, reason, placedIn: null })
  })

  test('whatever the depth allowed: 64 deep has a place', async () => {
    expect((await ledger.record(deep.replace(nested(63), nested(62)))).stream).toBe(
      `postscript.subscriber-${SHOP}.s_1`,
    )
  })
})

test('what could not be read is kept to the byte', async () => {
  const bytes = Buffer.from([0xff, 0x00, 0x0a, 0x7b])
  const { stream, revision } = await ledger.record(bytes)
  const [stored] = await ledger.store.readStream(stream, revision, 1)
  expect(stored?.type).toBe('ledger.unreadable')
  expect(stored?.data).toEqual({ base64: bytes.toString('base64') })
  expect(stored && eventHash(stored)).toBe(stored?.metadata.hash)
})

test('the same unreadable bytes again are a duplicate', async () => {
  const first = await ledger.record('not JSON at all')
  expect(await ledger.record('not JSON at all')).toEqual({ ...first, result: 'duplicate' })
})

test('a body that would grow beyond 1,000,000 bytes when it is stored is kept as bytes', async () => {
  const text = JSON.stringify(optIn(TIME, { note: 'NOTE' })).replace(
    '"NOTE"',
    `[${Array(3000).fill('1e399')}]`,
  )
  const { stream, revision, position } = await ledger.record(text)
  const [stored] = await ledger.store.readStream(stream, revision, 1)
  expect(stored?.type).toBe('ledger.unreadable')
  expect(Buffer.from(String(stored?.data['base64']), 'base64').toString()).toBe(text)
  expect(await unplacedOf(SHOP, position)).toContainEqual(
    expect.objectContaining({ position, reason: 'too-large' }),
  )
})

test("what names no known shop goes to the first shop of the sender's token", async () => {
  const { stream } = await ledger.record('{"foreign":true}', { 'postscript-signature': FOREIGN_TOKEN })
  expect(stream).toContain(`postscript.unplaced-${FOREIGN_SHOP}.`)
})

test('what names a shop but no subscriber is shown to that shop alone', async () => {
  const body = delivery('shop.incoming_message', { body: 'for the other' }, { resource_id: OTHER_SHOP })
  const { position, stream } = await ledger.record(body, { 'postscript-signature': TOKEN })
  expect(stream).toContain(`postscript.unplaced-${OTHER_SHOP}.`)
  expect(await unplacedOf(OTHER_SHOP, position)).toHaveLength(1)
  expect((await unplacedOf(SHOP, position)).map((item) => item.position)).not.toContain(position)
})

test('an e-mail address of no subscriber is of the shop, and not unplaced', async () => {
  const { stream } = await ledger.record(delivery('shop.email_collected', { email: 'ada@example.com' }))
  expect(stream).toMatch(/^postscript\.shop-shop_1234567abcd\.[0-9a-f]{2}$/)
})

test('they are listed oldest first', async () => {
  const { position } = await ledger.record('the last of all')
  const positions = (await unplacedOf(SHOP, position)).map((item) => item.position)
  expect(positions).toEqual(positions.toSorted())
  expect(positions.at(-1)).toBe(position)
})
