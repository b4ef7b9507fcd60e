import { afterAll, expect, test } from 'vitest'
import { listOf, TimelineEntry } from '../../src/http/schemas.ts'
import { delivery, message, optIn, optOut } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { runApp } from './running-app.ts'

const ledger = await runApp({}, afterAll)
const id = { subscriber_id: 's_1' }
const TIMES = Array.from({ length: 20 }, (_, index) => `2026-03-01T10:00:${10 + index}`)

test('a subscriber who has just been recorded is there when the position is waited for', async () => {
  for (const [index, time] of TIMES.entries()) {
    const { position } = await ledger.record(index % 2 === 0 ? optIn(time, id) : optOut(time, id))
    const answer = await ledger.read(`/subscribers/s_1?after=${position}`)
    expect(answer.json()).toMatchObject({ status: index % 2 === 0 ? 'subscribed' : 'unsubscribed' })
    expect(String(answer.headers['ledger-position']) >= position).toBe(true)
  }
})

test('a message that has just been recorded is in the timeline', async () => {
  for (const time of TIMES) {
    const { position } = await ledger.record(message(time, { ...id, id: `im_${time}`, body: time }))
    const answer = await ledger.read(`/subscribers/s_1/timeline?kind=message&after=${position}`)
    expect(listOf(TimelineEntry).parse(answer.json()).items[0]?.message?.body).toBe(time)
  }
})

test('an unplaced event that has just been recorded is in the list', async () => {
  const { position } = await ledger.record(delivery('shop.incoming_message', { body: 'who?' }))
  expect((await ledger.read(`/unplaced?after=${position}`)).json()).toMatchObject({ items: [{ position }] })
})

test('a position that has been projected long ago is not waited for', async () => {
  const first = (await ledger.store.readAll(null, 1))[0]?.position
  expect((await ledger.read(`/subscribers/s_1?after=${first}`)).statusCode).toBe(200)
  expect((await ledger.read(`/subscribers/s_1?after=${ledger.store.start}`)).statusCode).toBe(200)
})

test('a position that does not come is 504, but for what is read from streams', async () => {
  const never = ledger.store.start.replaceAll('0', '9')
  const waited = ['/subscribers', '/subscribers/s_1', '/subscribers/s_1/timeline', '/unplaced', '/activity']
  const current = ['/subscribers/s_1/consent', '/subscribers/s_1/consent/history', '/subscribers/s_1/events']
  const [late, prompt] = await Promise.all([
    Promise.all(waited.map((path) => ledger.read(`${path}?after=${never}`))),
    Promise.all(current.map((path) => ledger.read(`${path}?after=${never}`))),
  ])
  for (const answer of late) expectProblem(answer, 504, 'not-projected-in-time')
  for (const answer of prompt) expect(answer.statusCode).toBe(200)
})

test('an empty ledger tells the position before the first event', async () => {
  const empty = await runApp()
  const answer = await empty.read('/subscribers')
  expect(answer.json()).toEqual({ items: [], next: null })
  expect(answer.headers['ledger-position']).toBe(empty.store.start)
})
