import { afterAll, describe, expect, test } from 'vitest'
import { listOf, Subscriber } from '../../src/http/schemas.ts'
import { instant, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { runApp } from './running-app.ts'

const ledger = await runApp({ clock: () => instant('2026-03-05T00:00:00') }, afterAll)
const ADA = { subscriber_id: 's_ada', phone_number: '+15550100001', email: 'Ada@Example.com' }
const BOB = { subscriber_id: 's_bob', phone_number: '15550100002', email: 'bob@example.com' }
const CAT = { subscriber_id: 's_cat', phone: '(555) 010-0003', shopify_customer_id: 7 }

await ledger.record(optIn('2026-03-01T10:00:00.000001', ADA))
await ledger.record(optIn('2026-03-01T10:00:00', BOB))
await ledger.record(optOut('2026-03-02T10:00:00', BOB))
await ledger.record(message('2026-03-03T10:00:00', { ...CAT, from_number: null, body: 'Please stop it' }))
const { position } = await ledger.record(message('2026-03-03T11:00:00', { ...ADA, id: 'im_2' }))

async function idsWhere(filter: string): Promise<string[]> {
  const answer = await ledger.read(`/subscribers?after=${position}&${filter}`)
  expect(answer.statusCode, answer.body).toBe(200)
  return listOf(Subscriber)
    .parse(answer.json())
    .items.map(({ subscriberId }) => subscriberId)
}

test('a subscriber is told with status, evidence, contact and messages', async () => {
  const answer = await ledger.read(`/subscribers/s_ada?after=${position}`)
  expect(answer.json()).toEqual({
    shopId: SHOP,
    subscriberId: 's_ada',
    status: 'subscribed',
    since: '2026-03-01T10:00:00.000001Z',
    evidence: {
      eventId: expect.any(String),
      type: 'shop.subscriber.opt_in',
      revision: 0,
      occurredAt: '2026-03-01T10:00:00.000001Z',
      recordedAt: expect.any(String),
      source: 'webhook',
    },
    phone: '+15550100001',
    email: 'Ada@Example.com',
    shopifyCustomerId: null,
    messages: { received: 1, lastAt: '2026-03-03T11:00:00.000000Z' },
    possibleOptOut: false,
    firstSeenAt: '2026-03-01T10:00:00.000001Z',
    revision: 1,
    incomplete: false,
  })
})

test('a subscriber whose message reads like a revocation is marked', async () => {
  expect((await ledger.read(`/subscribers/s_cat?after=${position}`)).json()).toMatchObject({
    status: 'unknown',
    since: null,
    evidence: null,
    possibleOptOut: true,
    shopifyCustomerId: '7',
  })
})

describe('the list of subscribers', () => {
  test('holds everybody, by id', async () => {
    expect(await idsWhere('')).toEqual(['s_ada', 's_bob', 's_cat'])
  })

  test('has the same of a subscriber as they have alone', async () => {
    const list = listOf(Subscriber).parse((await ledger.read(`/subscribers?after=${position}`)).json())
    for (const item of list.items)
      expect((await ledger.read(`/subscribers/${item.subscriberId}`)).json()).toEqual(item)
    expect(list.next).toBeNull()
  })

  test.each([
    ['subscribed', ['s_ada']],
    ['unsubscribed', ['s_bob']],
    ['unknown', ['s_cat']],
  ])('by status %s', async (status, ids) => {
    expect(await idsWhere(`status=${status}`)).toEqual(ids)
  })

  test.each([
    ['%2B15550100001', ['s_ada']],
    ['+15550100001', ['s_ada']],
    ['555-010-0001', ['s_ada']],
    ['(555)%20010-0002', ['s_bob']],
    ['%2B1%20555%20010%200003', ['s_cat']],
    ['%2B15550109999', []],
  ])('by phone in any spelling: %s', async (phone, ids) => {
    expect(await idsWhere(`phone=${phone}`)).toEqual(ids)
  })

  test.each([
    ['ada@example.com', ['s_ada']],
    ['ADA@EXAMPLE.COM', ['s_ada']],
    ['a%25', []],
    ['%27%20OR%201=1--', []],
  ])('by e-mail in any case: %s', async (email, ids) => {
    expect(await idsWhere(`email=${email}`)).toEqual(ids)
  })

  test('by several at once', async () => {
    expect(await idsWhere('status=subscribed&email=ada@example.com&phone=%2B15550100001')).toEqual(['s_ada'])
    expect(await idsWhere('status=unsubscribed&email=ada@example.com')).toEqual([])
  })
})
