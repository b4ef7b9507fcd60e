import { afterAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { listOf } from '../../src/http/schemas.ts'
import { delivery, instant, message, optIn, optOut } from '../ledger/deliveries.ts'
import { runApp } from './running-app.ts'

const ledger = await runApp({ clock: () => instant('2026-03-09T00:00:00') }, afterAll)
const second = (number: number) => `2026-03-01T10:00:${String(number).padStart(2, '0')}`

const Keys = listOf(
  z.looseObject({
    subscriberId: z.string().optional(),
    eventId: z.string().optional(),
    position: z.string().optional(),
    evidence: z.looseObject({ eventId: z.string() }).nullish(),
  }),
)

/** All pages of a list; `between` is done after each of them. */
async function allPages(path: string, between: (page: number) => Promise<string> = async () => '') {
  const pages: string[][] = []
  let after = (await ledger.store.head()) ?? ''
  for (let cursor = ''; ; ) {
    const answer = await ledger.read(`${path}after=${after}${cursor}`)
    expect(answer.statusCode, answer.body).toBe(200)
    const { items, next } = Keys.parse(answer.json())
    pages.push(
      items.map((item) => item.subscriberId ?? item.eventId ?? item.position ?? item.evidence?.eventId ?? ''),
    )
    if (next === null) return pages
    expect(pages.length).toBeLessThan(100)
    after = (await between(pages.length)) || after
    cursor = `&cursor=${next}`
  }
}

/** Lists of seven that can be read in pages, and what can come while they are read. */
const lists = {
  subscribers: {
    path: '/subscribers?phone=%2B15550200000&',
    fill: (number: number) =>
      optIn(second(number), { subscriber_id: `s_p${number}`, phone_number: '+15550200000' }),
    more: (page: number) =>
      optIn(second(50 + page), { subscriber_id: `s_p0_${page}`, phone_number: '+15550200000' }),
  },
  'the timeline, newest first': {
    path: '/subscribers/s_down/timeline?',
    fill: (number: number) => message(second(number), { subscriber_id: 's_down', id: `im_${number}` }),
    more: (page: number) => message(second(50 + page), { subscriber_id: 's_down', id: `im_more_${page}` }),
  },
  'the timeline, oldest first': {
    path: '/subscribers/s_up/timeline?order=asc&',
    fill: (number: number) => message(second(number), { subscriber_id: 's_up', id: `im_${number}` }),
    more: (page: number) =>
      message(`2026-02-01T10:00:0${page}`, { subscriber_id: 's_up', id: `im_more_${page}` }),
  },
  'the timeline of one instant': {
    path: '/subscribers/s_instant/timeline?kind=message&',
    fill: (number: number) => message(second(0), { subscriber_id: 's_instant', id: `im_${number}` }),
    more: (page: number) => message(second(page), { subscriber_id: 's_instant', id: `im_more_${page}` }),
  },
  'the history of consent': {
    path: '/subscribers/s_history/consent/history?',
    fill: (number: number) =>
      number % 2 === 0
        ? optIn(second(number), { subscriber_id: 's_history' })
        : optOut(second(number), { subscriber_id: 's_history' }),
    // Told late: it stands before all that was read.
    more: (page: number) => optIn(`2026-02-01T10:00:0${page}`, { subscriber_id: 's_history' }),
  },
}

describe.each(Object.entries(lists))('%s', (_, { path, fill, more }) => {
  test('come in pages without gap or repeat, also while more are recorded', async () => {
    for (let number = 0; number < 7; number++) await ledger.record(fill(number))
    const [whole = []] = await allPages(`${path}limit=200&`)
    expect(whole).toHaveLength(7)

    const still = await allPages(`${path}limit=3&`)
    expect(still.map((page) => page.length)).toEqual([3, 3, 1])
    expect(still.flat()).toEqual(whole)
    expect(await allPages(`${path}limit=7&`)).toEqual([whole])

    const moving = await allPages(
      `${path}limit=2&`,
      async (page) => (await ledger.record(more(page))).position,
    )
    expect(moving.flat()).toEqual([...new Set(moving.flat())])
    expect(moving.flat().filter((key) => whole.includes(key))).toEqual(whole)
  })
})

describe('events', () => {
  test('come in pages, and those recorded meanwhile come last', async () => {
    const fill = (number: number) => optIn(second(number), { subscriber_id: 's_events' })
    for (let number = 0; number < 5; number++) await ledger.record(fill(number))
    const path = '/subscribers/s_events/events?'
    const pages = await allPages(
      `${path}limit=2&`,
      async (page) => (await ledger.record(fill(9 + page))).position,
    )
    const [whole] = await allPages(`${path}limit=200&`)
    expect(pages.flat()).toEqual(whole)
    expect(pages.flat().length).toBeGreaterThan(5)
  })
})

describe('unplaced events', () => {
  test('come in pages, and those recorded meanwhile come last', async () => {
    const nobody = (number: number) => delivery('shop.incoming_message', { body: `hello ${number}` })
    for (let number = 0; number < 5; number++) await ledger.record(nobody(number))
    const pages = await allPages('/unplaced?limit=2&', async (page) =>
      page > 3 ? '' : (await ledger.record(nobody(9 + page))).position,
    )
    const [whole = []] = await allPages('/unplaced?limit=200&')
    expect(pages.flat()).toEqual(whole)
    expect(whole).toEqual(whole.toSorted())
    expect(whole).toHaveLength(8)
  })
})

test('a list is cut at 50 where no limit is given', async () => {
  for (let number = 0; number < 51; number++)
    await ledger.record(message(second(number), { subscriber_id: 's_fifty', id: `im_${number}` }))
  const pages = await allPages('/subscribers/s_fifty/timeline?')
  expect(pages.map((page) => page.length)).toEqual([50, 1])
})
