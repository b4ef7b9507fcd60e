import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { HistoryEntry, listOf, Recorded, StoredEventItem } from '../../src/http/schemas.ts'
import { type EventMetadata, eventHash } from '../../src/ledger/event.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import { expectWholeChains } from '../chains.ts'
import { delivery, instant, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { FOREIGN_SHOP, FOREIGN_TOKEN, OLD_TOKEN, OTHER_SHOP, runApp, TOKEN } from './running-app.ts'

const RECEIVED = '2026-03-01T10:00:01.000000Z'
const ledger = await runApp({ clock: () => instant(RECEIVED) }, afterAll)
const TIME = '2026-03-01T10:00:00.000000'

function streamOf(subscriberId: string): string {
  return `postscript.subscriber-${SHOP}.${subscriberId}`
}

async function metadataOf(subscriberId: string): Promise<EventMetadata | undefined> {
  return (await ledger.store.readStream(streamOf(subscriberId), 0, 1))[0]?.metadata
}

describe('a verified delivery', () => {
  test('is recorded, and the answer says where', async () => {
    const answer = await ledger.post(optIn(TIME, { subscriber_id: 's_first' }))
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toContain('application/json')
    expect(answer.json()).toEqual({
      result: 'recorded',
      stream: streamOf('s_first'),
      revision: 0,
      position: await ledger.store.head(),
    })
  })

  test('is kept whole, with what is known of its arrival', async () => {
    const body = message(TIME, { subscriber_id: 's_whole' })
    await ledger.record(body)
    const [stored] = await ledger.store.readStream(streamOf('s_whole'), 0, 10)
    expect(stored?.type).toBe('shop.incoming_message')
    expect(stored?.data).toStrictEqual(body)
    expect(stored?.metadata).toMatchObject({ schema: 1, source: 'webhook', receivedAt: RECEIVED, prev: null })
    expect(JSON.stringify(stored)).not.toContain(TOKEN)
  })

  test.each([
    ['no content type', {}],
    ['the content type of a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a content type that is none', { 'content-type': 'json' }],
    ['an empty content type', { 'content-type': '' }],
    ['another charset', { 'content-type': 'application/json; charset=latin1' }],
  ])('is recorded that came with %s', async (what, headers) => {
    const body = optIn(TIME, { subscriber_id: 's_typed', note: what })
    const { result } = await ledger.record(body, { 'postscript-signature': TOKEN, ...headers })
    expect(result).toBe('recorded')
  })

  test('is recorded under the token before the rotation too', async () => {
    const body = optIn(TIME, { subscriber_id: 's_rotated' })
    expect(await ledger.record(body, { 'postscript-signature': OLD_TOKEN })).toMatchObject({
      result: 'recorded',
    })
  })

  test('of another shop of the same account is recorded for that shop', async () => {
    const body = delivery('shop.subscriber.opt_in', { subscriber_id: 's_1' }, { resource_id: OTHER_SHOP })
    expect((await ledger.record(body)).stream).toBe(`postscript.subscriber-${OTHER_SHOP}.s_1`)
  })

  test('under either spelling of the e-mail event is one type, and keeps its spelling', async () => {
    const data = { subscriber_id: 's_email', email: 'ada@example.com' }
    await ledger.record(delivery('shop.shop.email_collected', data))
    await ledger.record(delivery('shop.email_collected', data))
    const stored = await ledger.store.readStream(streamOf('s_email'), 0, 10)
    expect(stored.map(({ type }) => type)).toEqual(['shop.email_collected', 'shop.email_collected'])
    expect(stored.map(({ data: { event } }) => event)).toEqual([
      'shop.shop.email_collected',
      'shop.email_collected',
    ])
  })

  test('of a test goes to the shop, not to a subscriber', async () => {
    const { stream } = await ledger.record(delivery('shop.test', { subscriber_id: 's_test' }))
    expect(stream).toMatch(/^postscript\.shop-shop_1234567abcd\.[0-9a-f]{2}$/)
  })

  test('of an event that nobody knows yet is kept under its own name', async () => {
    await ledger.record(delivery('shop.moon_landed', { subscriber_id: 's_moon' }))
    const [stored] = await ledger.store.readStream(streamOf('s_moon'), 0, 10)
    expect(stored?.type).toBe('shop.moon_landed')
  })

  test.each<[string, JsonObject]>([
    ['no event name', { event: null }],
    ['an event name with a space', { event: 'shop subscriber' }],
    ['an event name of 101 letters', { event: 'x'.repeat(101) }],
    ['the name of an entry by hand', { event: 'ledger.consent_entered' }],
    ['the name of an observation', { event: 'ledger.consent_observed' }],
    ['the name of an unnamed webhook', { event: 'webhook.unnamed' }],
  ])('with %s is kept as webhook.unnamed and says nothing of consent', async (what, envelope) => {
    const id = `s_${what.replaceAll(/\W/g, '_')}`
    const data = { subscriber_id: id, consent: 'opt_in', shopId: SHOP, subscriberId: id }
    const body = { ...delivery('x', data, envelope), consent: 'opt_in' }
    const { position } = await ledger.record(body)
    const [stored] = await ledger.store.readStream(streamOf(id), 0, 10)
    expect(stored?.type).toBe('webhook.unnamed')
    expect(stored?.data).toStrictEqual(body)
    const subscriber = await ledger.read(`/subscribers/${id}?after=${position}`)
    expect(subscriber.json()).toMatchObject({ status: 'unknown', evidence: null })
  })
})

describe('a delivery is refused with 401 and nothing of it is stored', () => {
  const body = optIn(TIME, { subscriber_id: 's_refused' })

  async function expectRefused(headers: NodeJS.Dict<string>, refused: JsonObject = body): Promise<void> {
    const before = await ledger.store.head()
    const answer = await ledger.post(refused, headers)
    expectProblem(answer, 401, 'signature-refused')
    expect(answer.headers['www-authenticate']).toBe('Postscript-Signature')
    expect(await ledger.store.head()).toBe(before)
    expect(await ledger.store.readStream(streamOf('s_refused'), 0, 1)).toEqual([])
  }

  test('without a signature', () => expectRefused({}))
  test('with an empty signature', () => expectRefused({ 'postscript-signature': '' }))
  test('with a wrong signature', () => expectRefused({ 'postscript-signature': 'token-of-the-bccount' }))
  test('with a truncated signature', () => expectRefused({ 'postscript-signature': TOKEN.slice(0, -1) }))
  test('with the signature as a bearer', () => expectRefused({ authorization: `Bearer ${TOKEN}` }))

  test("with another shop's signature", () => expectRefused({ 'postscript-signature': FOREIGN_TOKEN }))

  test('for a shop that is configured under other tokens only', () =>
    expectRefused(
      { 'postscript-signature': TOKEN },
      delivery('shop.subscriber.opt_in', { subscriber_id: 's_refused' }, { resource_id: FOREIGN_SHOP }),
    ))

  test('with the signature sent twice', async () => {
    const before = await ledger.store.head()
    const sent = request({
      port: await ledger.listen(),
      method: 'POST',
      path: '/webhooks/postscript',
      headers: ['Host', 'ledger', 'Postscript-Signature', TOKEN, 'Postscript-Signature', TOKEN],
      agent: false,
    })
    sent.end(JSON.stringify(body))
    const [answer]: IncomingMessage[] = await once(sent, 'response')
    answer?.resume()
    expect(answer?.statusCode).toBe(401)
    expect(await ledger.store.head()).toBe(before)
  })
})

describe('what JSON can say and JavaScript cannot', () => {
  test.each<[string, string]>([
    ['ids of 19 digits', '[1234567890123456789,1234567890123456788]'],
    ['numbers beyond a double', '[1e400,-1e400,1e-400]'],
    ['lone surrogates', '"\\ud83d and \\ude00"'],
    ['a NUL', '"a\\u0000b"'],
    ['a key named __proto__', '{"__proto__":{"polluted":true}}'],
    ['doubled keys', '{"a":1,"a":2}'],
    ['white space', '[ 1 ]'],
    ['escapes that were not needed', '"\\u0041"'],
  ])('is kept as the exact text that came: %s', async (what, value) => {
    const id = `s_${what.replaceAll(/\W/g, '_')}`
    const text = `{"resource_id":"${SHOP}","event":"shop.odd","event_time":"${TIME}","event_data":{"subscriber_id":"${id}","odd":${value}}}`
    const { position } = await ledger.record(text)
    const answer = await ledger.read(`/subscribers/${id}/events?after=${position}`)
    const [item] = listOf(StoredEventItem).parse(answer.json()).items
    const [stored] = await ledger.store.readStream(streamOf(id), 0, 1)
    expect(item).toStrictEqual({ ...stored })
    expect(stored?.metadata.raw ?? JSON.stringify(item?.data)).toBe(text)
    expect(stored && eventHash(stored)).toBe(stored?.metadata.hash)
    expect({}).not.toHaveProperty('polluted')
  })

  test('keeps two ids apart that differ in the last of 19 digits', async () => {
    const of = (id: string) =>
      `{"resource_id":"${SHOP}","event":"shop.subscriber.opt_in","event_time":"${TIME}","event_data":{"subscriber_id":${id}}}`
    const first = await ledger.record(of('1234567890123456788'))
    const second = await ledger.record(of('1234567890123456789'))
    expect(first.stream).toBe(streamOf('1234567890123456788'))
    expect(second.stream).toBe(streamOf('1234567890123456789'))
  })
})

describe('the same event again', () => {
  const body = message(TIME, { subscriber_id: 's_again', id: 'im_again' })
  const envelope = Object.entries(body)
  const spellings: [string, string][] = [
    ['byte for byte', JSON.stringify(body)],
    ['in other white space', JSON.stringify(body, null, 2)],
    ['with its keys in another order', JSON.stringify(Object.fromEntries(envelope.toReversed()))],
    ['by another subscription', JSON.stringify({ ...body, webhook_id: 'webhook_other' })],
    [
      'without a webhook_id',
      JSON.stringify(Object.fromEntries(envelope.filter(([key]) => key !== 'webhook_id'))),
    ],
    ['with other escapes', JSON.stringify(body).replace('Do you', '\\u0044o you')],
  ]

  test.each(spellings)('is a duplicate, answered 200, %s', async (_, text) => {
    const first = await ledger.record(body)
    expect(await ledger.record(text)).toEqual({ ...first, result: 'duplicate' })
    expect(await ledger.store.readStream(streamOf('s_again'), 0, 10)).toHaveLength(1)
  })

  test('200 times at once is recorded once', async () => {
    const many = message(TIME, { subscriber_id: 's_many', id: 'im_many' })
    const answers = await Promise.all(Array.from({ length: 200 }, () => ledger.post(many)))
    const said = answers.map((answer) => Recorded.parse(answer.json()))
    expect(answers.every(({ statusCode }) => statusCode === 200)).toBe(true)
    expect(said.filter(({ result }) => result === 'recorded')).toHaveLength(1)
    expect(said.filter(({ result }) => result === 'duplicate')).toHaveLength(199)
    expect(new Set(said.map(({ revision, position }) => `${revision} ${position}`)).size).toBe(1)
    expect(await ledger.store.readStream(streamOf('s_many'), 0, 10)).toHaveLength(1)
  })

  test('does not stop different events that come with it', async () => {
    const bodies = Array.from({ length: 100 }, (_, index) =>
      message(TIME, { subscriber_id: 's_mixed', id: `im_mixed_${index % 50}` }),
    )
    await Promise.all(bodies.map((one) => ledger.record(one)))
    const stored = await ledger.store.readStream(streamOf('s_mixed'), 0, 200)
    expect(stored).toHaveLength(50)
    expectWholeChains(stored)
  })

  test('is another event where one thing in it differs', async () => {
    await ledger.record(body)
    expect(await ledger.record({ ...body, event_time: '2026-03-01T10:00:00.000001' })).toMatchObject({
      result: 'recorded',
    })
  })
})

describe('a time that cannot be believed', () => {
  test.each<[string, JsonObject]>([
    ['is missing', { event_time: null }],
    ['is in words', { event_time: 'yesterday, around noon' }],
    ['is in 2099', { event_time: '2099-01-01T00:00:00' }],
    ['is before 2000', { event_time: '1999-12-31T23:59:59' }],
    ['is no text', { event_time: 1_740_000_000 }],
    ['is the 31st of June', { event_time: '2025-06-31T00:00:00' }],
  ])('is kept and doubted: it %s', async (what, envelope) => {
    const id = `s_${what.replaceAll(/\W/g, '_')}`
    const body = { ...optIn(TIME, { subscriber_id: id }), ...envelope }
    await ledger.record(body)
    const [entry] = listOf(HistoryEntry).parse(
      (await ledger.read(`/subscribers/${id}/consent/history`)).json(),
    ).items
    expect(entry).toMatchObject({ kind: 'opt_in', timeDoubt: true, occurredAt: RECEIVED })
    expect((await ledger.store.readStream(streamOf(id), 0, 1))[0]?.data).toStrictEqual(body)
  })

  test('is no doubt: up to five minutes ahead of the clock here', async () => {
    await ledger.record(optOut('2026-03-01T10:05:01.000000', { subscriber_id: 's_ahead' }))
    const answer = await ledger.read('/subscribers/s_ahead/consent/history')
    expect(listOf(HistoryEntry).parse(answer.json()).items).toMatchObject([
      { timeDoubt: false, occurredAt: '2026-03-01T10:05:01.000000Z' },
    ])
  })
})

describe('the size of a body', () => {
  const limit = 256 * 1024
  const sized = (bytes: number, id: string) => {
    const text = JSON.stringify(optIn(TIME, { subscriber_id: id, pad: '' }))
    return text.replace('"pad":""', `"pad":"${'x'.repeat(bytes - text.length)}"`)
  }

  test('may be 256 KiB', async () => {
    expect(await ledger.record(sized(limit, 's_large'))).toMatchObject({ result: 'recorded' })
  })

  test('beyond 256 KiB is refused with 413 and not stored', async () => {
    expectProblem(await ledger.post(sized(limit + 1, 's_too_large')), 413, 'body-too-large')
    expect(await metadataOf('s_too_large')).toBeUndefined()
  })

  test('is not asked of who has no good signature', async () => {
    const answer = await ledger.post(sized(limit + 1, 's_x'), { 'postscript-signature': 'wrong-token' })
    expectProblem(answer, 401, 'signature-refused')
  })
})
