import { writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { ShopActivity } from '../../src/http/schemas.ts'
import { instant, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { CONFIG, ONE_SHOP_READER, OPERATOR, OTHER_SHOP, READER, runApp, TOKEN } from './running-app.ts'

// Still the 9th in New York, where the shop is.
const NOW = instant('2026-03-10T03:00:00')
const [HERS = { id: SHOP, signingTokens: [TOKEN] }, ...others] = CONFIG.shops
const IN_NEW_YORK = { ...HERS, timeZone: 'America/New_York' }
const ledger = await runApp(
  { clock: () => NOW, config: { ...CONFIG, shops: [IN_NEW_YORK, ...others] } },
  afterAll,
)

let position = ''
for (const body of [
  // Of the 7th and the 8th in New York, whose 8th has 23 hours.
  optIn('2026-03-08T04:59:59.999999'),
  optIn('2026-03-08T05:00:00', { subscriber_id: 's_b' }),
  message('2026-03-09T03:59:59', { id: 'im_1' }),
  optOut('2026-03-09T04:00:00'),
  message('2026-03-09T04:00:00', { id: 'im_2' }),
])
  position = (await ledger.record(body)).position

const activity = (query = '', secret = READER, shop = SHOP) =>
  ledger.get(`/v1/shops/${shop}/activity?after=${position}&${query}`, secret)

async function told(query = '', shop = SHOP) {
  const answer = await activity(query, READER, shop)
  expect(answer.statusCode, answer.body).toBe(200)
  return ShopActivity.strict().parse(answer.json())
}

const NOTHING = { optIns: 0, optOuts: 0, netChange: 0, messages: 0 }

test("the days are the shop's own, each of them there, with their sum", async () => {
  expect(await told('from=2026-03-06&to=2026-03-09')).toEqual({
    shopId: SHOP,
    timeZone: 'America/New_York',
    from: '2026-03-06',
    to: '2026-03-09',
    days: [
      { ...NOTHING, date: '2026-03-06' },
      { ...NOTHING, date: '2026-03-07', optIns: 1, netChange: 1 },
      { ...NOTHING, date: '2026-03-08', optIns: 1, netChange: 1, messages: 1 },
      { ...NOTHING, date: '2026-03-09', optOuts: 1, netChange: -1, messages: 1 },
    ],
    totals: { optIns: 2, optOuts: 1, netChange: 1, messages: 2 },
  })
})

test('one day is a range', async () => {
  const { days, totals } = await told('from=2026-03-08&to=2026-03-08')
  expect(days).toHaveLength(1)
  expect(totals).toEqual({ optIns: 1, optOuts: 0, netChange: 1, messages: 1 })
})

test('without dates it is the last thirty days, up to today where the shop is', async () => {
  const { from, to, days, totals } = await told()
  expect([from, to, days.length]).toEqual(['2026-02-08', '2026-03-09', 30])
  expect(totals.optIns).toBe(2)
})

test('with one date the other is as without: thirty days up to `to`, today from `from` on', async () => {
  expect(await told('to=2026-01-31')).toMatchObject({ from: '2026-01-02', to: '2026-01-31', totals: NOTHING })
  expect(await told('from=2026-03-08')).toMatchObject({ from: '2026-03-08', to: '2026-03-09' })
})

test('another shop has its own zone, and nothing of this one', async () => {
  expect(await told('', OTHER_SHOP)).toMatchObject({ timeZone: 'UTC', to: '2026-03-10', totals: NOTHING })
})

test('a time zone that is changed in the config gives other days of the same rows', async () => {
  const moving = await runApp({ clock: () => NOW, config: { ...CONFIG, shops: [IN_NEW_YORK] } })
  moving.config.watch(() => {})
  const { position: at } = await moving.record(message('2026-03-08T18:00:00'))
  const messages = async () => {
    const answer = await moving.read(`/activity?from=2026-03-08&to=2026-03-09&after=${at}`)
    return ShopActivity.parse(answer.json()).days.map((day) => day.messages)
  }
  expect(await messages()).toEqual([1, 0])
  const inTokyo = { ...CONFIG, shops: [{ ...HERS, timeZone: 'Asia/Tokyo' }] }
  writeFileSync(moving.configPath, JSON.stringify(inTokyo))
  await vi.waitFor(async () => expect(await messages()).toEqual([0, 1]))
})

test('the answer says which position it is computed from', async () => {
  expect((await activity()).headers['ledger-position']).toBe(position)
})

describe('400 names what is wrong:', () => {
  test.each([
    ['from', 'from=2026-02-30'],
    ['from', 'from=yesterday'],
    ['from', 'from=2026-3-1'],
    ['from', 'from=2026-03-01T00:00:00Z'],
    ['from', 'from=1999-12-31'],
    ['from', 'from='],
    ['to', 'to=2026-13-01'],
    ['to', 'to=03/01/2026'],
    ['from', 'from=2026-03-02&to=2026-03-01'],
    ['from', 'from=2026-03-10'],
    ['from', 'from=2025-01-01&to=2026-02-05'],
    ['limit', 'limit=5'],
    ['__proto__', '__proto__=5'],
    ['timeZone', 'timeZone=UTC'],
    ['after', 'after=x'],
  ])('%s, in %s', async (name, query) => {
    expect(expectProblem(await ledger.read(`/activity?${query}`), 400, 'bad-parameter')).toContain(name)
  })

  test('400 days are answered, and one more is not', async () => {
    expect((await told('from=2025-01-02&to=2026-02-05')).days).toHaveLength(400)
  })
})

test('a key needs the scope to read, and the shop', async () => {
  expectProblem(await activity('', OPERATOR), 403, 'forbidden')
  expectProblem(await activity('', ONE_SHOP_READER, OTHER_SHOP), 403, 'forbidden')
  expectProblem(await ledger.get(`/v1/shops/${SHOP}/activity`, null), 401, 'unauthorized')
  expectProblem(await activity('', READER, 'shop_nowhere'), 404, 'unknown-shop')
})
