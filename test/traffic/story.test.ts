import { expect, test } from 'vitest'
import { z } from 'zod'
import { type PlannedDelivery, type StoryOptions, story } from '../../src/traffic/story.ts'

const START = '2026-01-05T14:00:00Z'
const HOUR = 3_600_000

const options: StoryOptions = {
  seed: 'test',
  shops: [
    { id: 'shop_1234567abcd', signingToken: 'token-one' },
    { id: 'shop_2345678bcde', signingToken: 'token-two' },
    { id: 'shop_3456789cdef', signingToken: 'token-two' },
  ],
  subscribers: 2000,
  start: START,
  deliveries: 30_000,
}

const envelope = z.object({
  webhook_id: z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
  resource_type: z.literal('shop'),
  resource_id: z.string().optional(),
  event_time: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/),
  event: z.string().optional(),
  event_data: z.record(z.string(), z.unknown()),
})

const plan = [...story(options)]
const read = plan.map((delivery) => ({ delivery, told: envelope.parse(JSON.parse(delivery.body)) }))
const named = (event: string) => read.filter(({ told }) => told.event === event)
const messages = named('shop.incoming_message')

/** Text that is the same for the same JSON, whatever the order of its keys. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  )
}

function information(delivery: PlannedDelivery): string {
  const { webhook_id: _, ...rest } = z
    .looseObject({ webhook_id: z.string() })
    .parse(JSON.parse(delivery.body))
  return sorted(rest)
}

function sinceEvent(delivery: PlannedDelivery, eventTime: string): number {
  return Date.parse(START) + delivery.dueMs - Date.parse(`${eventTime}Z`)
}

function ending(event: string, test: (data: Record<string, unknown>) => boolean): number {
  return named(event).filter(({ told }) => test(told.event_data)).length
}

test('the same seed tells the same story, to the byte', () => {
  expect([...story(options)]).toEqual(plan)
})

test('another seed tells another story', () => {
  const other = [...story({ ...options, seed: 'other', deliveries: 100 })]
  expect(other.map(({ body }) => body)).not.toEqual(plan.slice(0, 100).map(({ body }) => body))
})

test('a shorter story is the beginning of a longer one', () => {
  expect([...story({ ...options, deliveries: 1234 })]).toEqual(plan.slice(0, 1234))
})

test('a story has as many deliveries as were asked for, in the order in which they are due', () => {
  expect(plan).toHaveLength(30_000)
  const due = plan.map(({ dueMs }) => dueMs)
  expect(due).toEqual([...due].sort((one, other) => one - other))
  expect(due.every(Number.isSafeInteger)).toBe(true)
})

test('what is expected to be recorded says something new, what is expected to be a duplicate never does', () => {
  const known = new Set<string>()
  for (const delivery of plan) {
    const said = information(delivery)
    expect(known.has(said) ? 'duplicate' : 'recorded').toBe(delivery.expect)
    known.add(said)
  }
})

test('repeated deliveries come as the same bytes, under another webhook id, and in other words', () => {
  const first = new Map<string, PlannedDelivery>()
  const seen = { sameBytes: 0, otherWebhook: 0, otherWords: 0 }
  for (const delivery of plan) {
    const said = information(delivery)
    const original = first.get(said)
    if (original === undefined) first.set(said, delivery)
    else if (original.body === delivery.body) seen.sameBytes++
    else if (sorted(JSON.parse(original.body)) === sorted(JSON.parse(delivery.body))) seen.otherWords++
    else seen.otherWebhook++
  }
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(50)
})

test('no delivery comes before its event, none later than an hour after it, and some come late', () => {
  const delays = read.map(({ delivery, told }) => sinceEvent(delivery, told.event_time))
  expect(Math.min(...delays)).toBeGreaterThan(0)
  expect(Math.max(...delays)).toBeLessThanOrEqual(HOUR)
  expect(delays.filter((delay) => delay > 300_000).length).toBeGreaterThan(300)
  expect(delays.filter((delay) => delay > HOUR - 300_000).length).toBeGreaterThan(0)
  const times = read.map(({ told }) => told.event_time)
  expect(times).not.toEqual([...times].sort())
})

test('every phone number is fictional and every address is at example.com', () => {
  const text = plan.map(({ body }) => body).join('\n')
  const phones = text.match(/\+1\d+/g) ?? []
  expect(phones.length).toBeGreaterThan(10_000)
  expect(phones.filter((phone) => !/^\+1555\d{7}$/.test(phone))).toEqual([])
  const addresses = text.match(/[^\s"]+@[^\s"]+/g) ?? []
  expect(addresses.length).toBeGreaterThan(100)
  expect(addresses.filter((address) => !address.endsWith('@example.com'))).toEqual([])
})

test('each delivery is signed with the token of its shop, and every shop has many subscribers', () => {
  for (const shop of options.shops) {
    const own = read.filter(({ delivery }) => delivery.shopId === shop.id)
    expect(new Set(own.map(({ delivery }) => delivery.signingToken))).toEqual(new Set([shop.signingToken]))
    expect(new Set(own.map(({ told }) => told.event_data['subscriber_id'])).size).toBeGreaterThan(200)
  }
})

test('one webhook subscription has one webhook id for one event of one shop', () => {
  const subscriptions = new Map<string, string>()
  for (const { delivery, told } of read) {
    const what = `${delivery.shopId} ${told.event}`
    expect(subscriptions.get(told.webhook_id) ?? what).toBe(what)
    subscriptions.set(told.webhook_id, what)
  }
  expect(subscriptions.size).toBeLessThan(2 * 3 * 12)
})

test('messages have the fields of Postscript’s example, in its order', () => {
  const example = 'id subscriber_id shop_id is_opt_out shopify_customer_id from_number created_at body'.split(
    ' ',
  )
  const original = messages.filter(({ delivery }) => delivery.expect === 'recorded')
  for (const { told } of original) {
    expect(Object.keys(told.event_data)).toEqual(example)
    expect(told.event_data['id']).toMatch(/^im_[0-9a-f]{16}$/)
    expect(told.event_data['created_at']).toBe(told.event_time)
  }
  expect(new Set(original.map(({ told }) => told.event_data['id'])).size).toBe(original.length)
  expect(original.filter(({ told }) => told.event_time.endsWith('000')).length).toBeLessThan(
    original.length / 100,
  )
})

test.each<[string, number]>([
  ['shop.subscriber.opt_in', 2000],
  ['shop.subscriber.opt_out', 500],
  ['shop.incoming_message', 10_000],
  ['shop.email_collected', 300],
  ['shop.shop.email_collected', 300],
  ['shop.test', 10],
])('a story has %s', (event, atLeast) => {
  expect(named(event).length).toBeGreaterThan(atLeast)
})

test.each<[string, string, (data: Record<string, unknown>) => boolean]>([
  ['subscriber_id', 'shop.subscriber.opt_in', (data) => 'subscriber_id' in data],
  ['an id that is a subscriber’s', 'shop.subscriber.opt_in', (data) => /^s_/.test(String(data['id']))],
  ['a nested subscriber', 'shop.subscriber.opt_in', (data) => 'subscriber' in data],
  ['an old id as a number', 'shop.subscriber.opt_in', (data) => typeof data['subscriber_id'] === 'number'],
  ['phone_number', 'shop.subscriber.opt_out', (data) => 'phone_number' in data],
  ['phone', 'shop.subscriber.opt_out', (data) => 'phone' in data],
  ['from_number', 'shop.subscriber.opt_out', (data) => 'from_number' in data],
  ['a customer as a number', 'shop.incoming_message', (d) => typeof d['shopify_customer_id'] === 'number'],
  ['a customer as text', 'shop.incoming_message', (data) => typeof data['shopify_customer_id'] === 'string'],
  ['no customer', 'shop.incoming_message', (data) => data['shopify_customer_id'] === null],
  ['a STOP', 'shop.incoming_message', (data) => data['is_opt_out'] === true && data['body'] === 'STOP'],
  [
    'a revocation in a person’s own words',
    'shop.incoming_message',
    (data) => data['is_opt_out'] === false && data['body'] === 'please stop texting me',
  ],
  ['a reply to the confirmation text', 'shop.incoming_message', (data) => data['body'] === 'YES'],
  ['a keyword', 'shop.incoming_message', (data) => data['body'] === 'JOIN'],
  ['an e-mail of a subscriber', 'shop.email_collected', (data) => 'subscriber_id' in data],
  [
    'an e-mail of nobody known',
    'shop.shop.email_collected',
    (data) => !('subscriber_id' in data) && !('subscriber' in data),
  ],
  ['an opt-in of nobody', 'shop.subscriber.opt_in', (data) => Object.keys(data).length === 2],
  ['a message of nobody', 'shop.incoming_message', (data) => data['subscriber_id'] === null],
])('a story has %s (%s)', (_, event, isOne) => {
  expect(ending(event, isOne)).toBeGreaterThan(0)
})

test('a story has events nobody has heard of, events without a name, and shops that are unknown or missing', () => {
  const shopIds = options.shops.map(({ id }) => id)
  expect(named('shop.link_clicked').length).toBeGreaterThan(0)
  expect(read.some(({ told }) => told.event === undefined)).toBe(true)
  expect(read.some(({ told }) => told.resource_id === undefined)).toBe(true)
  expect(read.some(({ told }) => told.resource_id !== undefined && !shopIds.includes(told.resource_id))).toBe(
    true,
  )
})

test('people stop by text, by event or by both, and come back', () => {
  const lives = new Map<string, string[]>()
  const inOrder = [...read].sort((one, other) => (one.told.event_time < other.told.event_time ? -1 : 1))
  for (const { delivery, told } of inOrder) {
    const data = told.event_data
    const nested = z.object({ id: z.coerce.string() }).safeParse(data['subscriber']).data?.id
    const id = nested ?? String(data['subscriber_id'] ?? data['id'])
    if (delivery.expect === 'duplicate') continue
    const life = lives.get(`${delivery.shopId} ${id}`) ?? []
    lives.set(`${delivery.shopId} ${id}`, life)
    if (told.event === 'shop.subscriber.opt_in') life.push('in')
    else if (told.event === 'shop.subscriber.opt_out') life.push('out')
    else life.push(data['is_opt_out'] === true ? 'STOP' : 'other')
  }
  const all = [...lives.values()].map((life) => ` ${life.join(' ')} `)
  for (const passage of [' STOP out ', ' STOP in ', ' in out ', ' out in ', ' out other ']) {
    expect(all.filter((life) => life.includes(passage)).length, passage).toBeGreaterThan(10)
  }
})

test('one subscriber alone makes a story too', () => {
  const alone = [...story({ ...options, subscribers: 1, deliveries: 2000 })]
  expect(alone).toHaveLength(2000)
})

test.each<[string, Partial<StoryOptions>]>([
  ['no shop', { shops: [] }],
  ['nobody in it', { subscribers: 0 }],
  ['more people than there are fictional numbers', { subscribers: 10_000_001 }],
  ['no beginning', { start: 'yesterday' }],
])('a story with %s is refused at once', (_, mistake) => {
  expect(() => story({ ...options, ...mistake })).toThrow(RangeError)
})
