import { afterAll, expect, test } from 'vitest'
import { listOf, StoredEventItem, TimelineEntry } from '../../src/http/schemas.ts'
import { emailCollected, instant, message, optIn, optOut, PHONE, SUBSCRIBER } from '../ledger/deliveries.ts'
import { runApp } from './running-app.ts'

const ledger = await runApp({ clock: () => instant('2026-03-09T00:00:00') }, afterAll)
const bodies = [
  optIn('2026-03-01T10:00:00'),
  message('2026-03-02T10:00:00', { id: 'im_1', body: 'Hello' }),
  emailCollected('2026-03-03T10:00:00', { email: 'ada@example.com' }),
  message('2026-03-04T10:00:00', { id: 'im_2', body: 'please cancel' }),
  message('2026-03-04T10:00:00', { id: 'im_2', body: 'please cancel!' }),
  optOut('2026-03-05T10:00:00'),
  { ...optOut('2026-03-06T10:00:00'), event: 'shop.moon_landed' },
]
let position = ''
for (const body of bodies) position = (await ledger.record(body)).position

async function entries(query = '') {
  const answer = await ledger.read(`/subscribers/${SUBSCRIBER}/timeline?after=${position}&${query}`)
  expect(answer.statusCode, answer.body).toBe(200)
  return listOf(TimelineEntry.strict()).parse(answer.json()).items
}

test('the timeline tells all that happened, newest first, each message once', async () => {
  expect((await entries()).map(({ kind }) => kind)).toEqual([
    'other',
    'opt_out',
    'message',
    'email',
    'message',
    'opt_in',
  ])
})

test('an entry tells what was written, and by whom', async () => {
  expect(await entries('kind=message&order=asc')).toMatchObject([
    {
      kind: 'message',
      occurredAt: '2026-03-02T10:00:00.000000Z',
      revision: 1,
      event: 'shop.incoming_message',
      message: { id: 'im_1', from: PHONE, body: 'Hello', isOptOut: false, possibleOptOut: false },
      conflict: false,
    },
    { message: { id: 'im_2', possibleOptOut: true }, conflict: true },
  ])
})

test('an entry that is no message has none', async () => {
  expect(await entries('kind=email')).toMatchObject([{ kind: 'email', message: null, conflict: false }])
})

test('the timeline goes the other way when asked', async () => {
  expect(await entries('order=asc')).toEqual((await entries('order=desc')).toReversed())
})

test('the timeline begins with `from` and ends before `to`', async () => {
  const days = (await entries('from=2026-03-02T10:00:00Z&to=2026-03-05T10:00:00Z&order=asc')).map(
    ({ occurredAt }) => occurredAt.slice(8, 10),
  )
  expect(days).toEqual(['02', '03', '04'])
})

test.each([
  'opt_in',
  'opt_out',
  'message',
  'email',
  'other',
  'observation',
  'entry',
])('the timeline of the kind %s holds nothing else', async (kind) => {
  const all = await entries()
  expect(await entries(`kind=${kind}`)).toEqual(all.filter((entry) => entry.kind === kind))
})

test('the events are told as they are stored, oldest first', async () => {
  const answer = await ledger.read(`/subscribers/${SUBSCRIBER}/events`)
  const { items, next } = listOf(StoredEventItem.strict()).parse(answer.json())
  expect(next).toBeNull()
  expect(items).toStrictEqual(
    (await ledger.store.readStream(`postscript.subscriber-shop_1234567abcd.${SUBSCRIBER}`, 0, 99)).map(
      (event) => ({ ...event }),
    ),
  )
  expect(items.map(({ data }) => data)).toStrictEqual(bodies)
})
