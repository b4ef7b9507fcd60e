import { afterAll, describe, expect, test } from 'vitest'
import { optIn, SHOP, SUBSCRIBER } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { FOREIGN_SHOP, ONE_SHOP_READER, OPERATOR, OTHER_SHOP, READER, runApp, TOKEN } from './running-app.ts'

const ledger = await runApp({}, afterAll)
const { position: RECORDED } = await ledger.record(optIn('2026-03-01T10:00:00.000000'))

const reads = [
  '/subscribers',
  `/subscribers/${SUBSCRIBER}`,
  `/subscribers/${SUBSCRIBER}/consent`,
  `/subscribers/${SUBSCRIBER}/consent/history`,
  `/subscribers/${SUBSCRIBER}/timeline`,
  `/subscribers/${SUBSCRIBER}/events`,
  '/consent?phone=%2B15551234567',
  '/unplaced',
]

describe.each(reads)('GET /v1/shops/{s}%s', (path) => {
  const url = `/v1/shops/${SHOP}${path}`

  test('is answered to a key that may read, and bears Ledger-Position', async () => {
    const answer = await ledger.get(`${url}${path.includes('?') ? '&' : '?'}after=${RECORDED}`)
    expect(answer.statusCode).toBe(200)
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.headers['ledger-position']).toBe(RECORDED)
  })

  test('is 401 without a key, with a header that is none, and with a key that nobody has', async () => {
    const without = await ledger.get(url, null)
    expectProblem(without, 401, 'unauthorized')
    expect(without.headers['www-authenticate']).toBe('Bearer')
    for (const authorization of [READER, `Basic ${READER}`, 'Bearer', 'Bearer ', `Bearer ${READER} x`])
      expectProblem(await ledger.app.inject({ url, headers: { authorization } }), 401, 'unauthorized')
    expectProblem(await ledger.get(url, 'lk_nobody'), 401, 'unauthorized')
    expectProblem(await ledger.get(url, READER.slice(0, -1)), 401, 'unauthorized')
    expectProblem(await ledger.get(url, TOKEN), 401, 'unauthorized')
  })

  test('is 403 to a key without the scope read', async () => {
    expect(expectProblem(await ledger.get(url, OPERATOR), 403, 'forbidden')).toContain('read')
  })

  test('is 403 to a key of another shop, and 404 for a shop that is not there', async () => {
    const other = (shop: string) => `/v1/shops/${shop}${path}`
    expect((await ledger.get(url, ONE_SHOP_READER)).statusCode).toBe(200)
    expectProblem(await ledger.get(other(OTHER_SHOP), ONE_SHOP_READER), 403, 'forbidden')
    expectProblem(await ledger.get(other('shop_nowhere'), ONE_SHOP_READER), 403, 'forbidden')
    expectProblem(await ledger.get(other('shop_nowhere')), 404, 'unknown-shop')
  })
})

test.each(
  reads.filter((path) => path.includes(SUBSCRIBER)),
)('nobody knows a subscriber of another shop: GET …%s', async (path) => {
  for (const shop of [OTHER_SHOP, FOREIGN_SHOP])
    expectProblem(await ledger.read(path, shop), 404, 'unknown-subscriber')
  const unknown = path.replace(SUBSCRIBER, 's_unknown')
  expectProblem(await ledger.read(unknown), 404, 'unknown-subscriber')
})

test.each([
  's.1',
  '..%2F..%2Fetc',
  's%00',
  '%F0%9F%92%A9',
  "'%20OR%201=1",
  'x'.repeat(65),
])('a subscriber id that can be none is unknown: %s', async (id) => {
  for (const path of ['', '/consent', '/consent/history', '/timeline', '/events'])
    expectProblem(await ledger.read(`/subscribers/${id}${path}`), 404, 'unknown-subscriber')
})

test('metrics are for keys that may operate', async () => {
  expect((await ledger.get('/metrics', OPERATOR)).statusCode).toBe(200)
  expectProblem(await ledger.get('/metrics', READER), 403, 'forbidden')
  expectProblem(await ledger.get('/metrics', null), 401, 'unauthorized')
})
