import { afterAll, describe, expect, test } from 'vitest'
import { HistoryEntry, listOf, Subscriber } from '../../src/http/schemas.ts'
import { delivery, instant, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { OTHER_SHOP, runApp } from './running-app.ts'

const ledger = await runApp({ clock: () => instant('2026-03-05T00:00:00') }, afterAll)

/** An opt-in on the 1st; then, delivered only after that, an opt-out of the 3rd and an opt-in of the 2nd. */
async function tellStory(id: string): Promise<string[]> {
  const recorded: string[] = []
  for (const body of [
    optIn('2026-03-01T10:00:00', { subscriber_id: id }),
    message('2026-03-03T10:00:00', { subscriber_id: id, id: `im_${id}`, is_opt_out: true, body: 'STOP' }),
    optIn('2026-03-02T10:00:00', { subscriber_id: id }),
  ]) {
    const { stream, revision } = await ledger.record(body)
    const [stored] = await ledger.store.readStream(stream, revision, 1)
    recorded.push(stored?.metadata.recordedAt ?? '')
  }
  return recorded
}

describe('consent of a subscriber', () => {
  test('is told with no bound as null', async () => {
    await tellStory('s_now')
    const answer = await ledger.read('/subscribers/s_now/consent')
    expect(answer.json()).toEqual({
      shopId: SHOP,
      subscriberId: 's_now',
      status: 'unsubscribed',
      since: '2026-03-03T10:00:00.000000Z',
      evidence: expect.objectContaining({ type: 'shop.incoming_message', revision: 1 }),
      at: null,
      knownAt: null,
    })
    expect(answer.headers['ledger-position']).toBe(await ledger.store.head())
  })

  test('is told as of a moment, both ends of it included', async () => {
    await tellStory('s_at')
    const statusAt = async (at: string) => (await ledger.read(`/subscribers/s_at/consent?at=${at}`)).json()
    expect(await statusAt('2026-03-01T09:59:59.999999Z')).toMatchObject({ status: 'unknown' })
    expect(await statusAt('2026-03-01T10:00:00Z')).toMatchObject({ status: 'subscribed' })
    expect(await statusAt('2026-03-03T09:59:59.999999')).toMatchObject({ status: 'subscribed' })
    expect(await statusAt('2026-03-03T11:00:00%2B01:00')).toMatchObject({
      status: 'unsubscribed',
      at: '2026-03-03T10:00:00.000000Z',
    })
  })

  test('is told as it was known at a moment', async () => {
    const [first = '', second = ''] = await tellStory('s_known')
    const known = async (knownAt: string) =>
      (await ledger.read(`/subscribers/s_known/consent?knownAt=${knownAt}`)).json()
    expect(await known('2026-01-01T00:00:00Z')).toMatchObject({ status: 'unknown' })
    expect(await known(first)).toMatchObject({ status: 'subscribed', knownAt: first })
    expect(await known(second)).toMatchObject({ status: 'unsubscribed' })
  })

  test('is the same in the list of subscribers', async () => {
    await tellStory('s_same')
    const consent = await ledger.read('/subscribers/s_same/consent')
    const after = String(consent.headers['ledger-position'])
    const subscriber = Subscriber.parse((await ledger.read(`/subscribers/s_same?after=${after}`)).json())
    const { status, since, evidence } = subscriber
    expect(consent.json()).toMatchObject({ status, since, evidence })
  })
})

describe('the history of consent', () => {
  test('tells each decisive fact in the order in which it happened, and what it did', async () => {
    const [, , third = ''] = await tellStory('s_history')
    await ledger.record(
      message('2026-03-04T10:00:00', { subscriber_id: 's_history', id: 'im_hi', body: 'hi' }),
    )
    const answer = await ledger.read('/subscribers/s_history/consent/history')
    expect(answer.headers['ledger-position']).toBe(await ledger.store.head())
    const { items, next } = listOf(HistoryEntry.strict()).parse(answer.json())
    expect(next).toBeNull()
    expect(items).toMatchObject([
      { kind: 'opt_in', occurredAt: '2026-03-01T10:00:00.000000Z', effect: 'subscribed', late: false },
      {
        kind: 'opt_in',
        occurredAt: '2026-03-02T10:00:00.000000Z',
        effect: 'none',
        late: true,
        recordedAt: third,
      },
      { kind: 'opt_out', effect: 'unsubscribed', late: false, messageId: 'im_s_history', timeDoubt: false },
    ])
  })

  test('tells what had been known at a moment', async () => {
    const [first = ''] = await tellStory('s_history_known')
    const answer = await ledger.read(`/subscribers/s_history_known/consent/history?knownAt=${first}`)
    expect(listOf(HistoryEntry).parse(answer.json()).items).toHaveLength(1)
  })
})

describe('consent of a phone number', () => {
  const PHONE = '+15550100007'
  const told = (id: string) => ({ subscriber_id: id, phone_number: PHONE })

  test('is of every subscriber who has ever had it, in any spelling', async () => {
    await ledger.record(optOut('2026-03-02T10:00:00', told('s_had')))
    await ledger.record(optIn('2026-03-01T10:00:00', told('s_has')))
    await ledger.record(
      optIn('2026-03-03T10:00:00', { subscriber_id: 's_had', phone_number: '+15550100008' }),
    )
    for (const spelling of [
      encodeURIComponent(PHONE),
      PHONE,
      '555 010 0007',
      '(555) 010-0007',
      '1-555-010-0007',
    ])
      expect((await ledger.read(`/consent?phone=${spelling}`)).json(), spelling).toMatchObject({
        shopId: SHOP,
        phone: PHONE,
        subscriberIds: ['s_had', 's_has'],
        status: 'subscribed',
        since: '2026-03-03T10:00:00.000000Z',
        at: null,
        knownAt: null,
      })
    const answer = await ledger.read(`/consent?phone=${PHONE}&at=2026-03-02T12:00:00Z`)
    expect(answer.json()).toMatchObject({ status: 'unsubscribed', at: '2026-03-02T12:00:00.000000Z' })
  })

  test('of nobody is unknown', async () => {
    const answer = await ledger.read('/consent?phone=%2B15550100099')
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toMatchObject({ subscriberIds: [], status: 'unknown', evidence: null })
  })

  test("is read by the shop's region, and of that shop alone", async () => {
    const data = { subscriber_id: 's_berlin', phone_number: '+4930901820' }
    await ledger.record(
      delivery('shop.subscriber.opt_in', data, {
        resource_id: OTHER_SHOP,
        event_time: '2026-03-01T10:00:00',
      }),
    )
    expect((await ledger.read('/consent?phone=030 901820', OTHER_SHOP)).json()).toMatchObject({
      phone: '+4930901820',
      subscriberIds: ['s_berlin'],
      status: 'subscribed',
    })
    expect((await ledger.read('/consent?phone=%2B4930901820')).json()).toMatchObject({ subscriberIds: [] })
  })

  test('counts what has just been recorded, without being told to wait', async () => {
    const id = 's_just_now'
    await ledger.record(optIn('2026-03-01T10:00:00', { subscriber_id: id, phone_number: '+15550100011' }))
    expect((await ledger.read('/consent?phone=%2B15550100011')).json()).toMatchObject({ subscriberIds: [id] })
  })
})
