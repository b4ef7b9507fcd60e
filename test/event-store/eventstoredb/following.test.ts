import { expect, test } from 'vitest'
import { eventOf, type LogEntry } from '../../../src/event-store/event-store.ts'
import { logEntryOf, Names } from '../../../src/event-store/eventstoredb/entries.ts'
import { placeBody } from '../../ledger/deliveries.ts'
import { openStore, startDouble } from './stores.ts'

/** Different for each `number`, each of a subscriber of its own. */
const placed = (number: number) =>
  placeBody({
    resource_id: 'shop_1',
    event: 'shop.incoming_message',
    event_data: { id: `im_${number}`, subscriber_id: `s_${number}` },
  })

async function open() {
  const double = await startDouble()
  const store = openStore(double.url)
  const append = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => {
        const { stream, event } = placed(from + index)
        return store.append(stream, event)
      }),
    )
  return { double, store, append }
}

const idsOf = (entries: readonly LogEntry[]) => entries.map((entry) => eventOf(entry).metadata.id)

test('whoever is behind reads page after page, and nothing is subscribed to', async () => {
  const { double, store, append } = await open()
  await append(0, 90)
  const all = await store.readAll(null, 1_000)
  let after: string | null = null
  const seen: string[] = []
  for (;;) {
    const page = await store.readAll(after, 20)
    if (page.length === 0) break
    seen.push(...idsOf(page))
    after = page.at(-1)?.position ?? null
  }
  expect(seen).toEqual(idsOf(all))
  expect(seen).toHaveLength(90)
  expect(double.counts().subscriptions).toBe(0)
})

test('while little comes one subscription tells of it, and a busy log needs none until somebody waits again', async () => {
  const { double, store, append } = await open()
  const signal = new AbortController().signal
  let after: string | null = null
  const next = async () => {
    await store.waitBehind(after, signal)
    const page = await store.readAll(after, 1_000)
    after = page.at(-1)?.position ?? null
    return page.length
  }
  for (let number = 0; number < 3; number++) {
    await append(number, 1)
    expect(await next()).toBe(1)
  }
  expect(double.counts().subscriptions).toBe(1)

  await append(100, 60)
  let read = 0
  while (read < 60) read += await next()
  await append(200, 1)
  expect(await next()).toBe(1)
  expect(double.counts().subscriptions).toBe(2)
})

test('a log that lacks what it is known to have is reported, not taken for one that ends there', async () => {
  const { store, append } = await open()
  const [appended] = await append(0, 1)
  const lost = 'f'.repeat(16)
  await expect(store.readAll(appended?.position ?? null, 10, `${lost}-${lost}`)).rejects.toMatchObject({
    code: 'store-unavailable',
    message: 'EventStoreDB no longer has what it had',
  })
})

test('a server too old to say where in the log an event stands is one that somebody has to replace', () => {
  const none = Buffer.from('{}')
  const recorded = {
    stream: 'postscript.a',
    revision: 0,
    type: 'a',
    isJson: true,
    data: none,
    metadata: none,
  }
  expect(() =>
    logEntryOf({ ...recorded, place: { commit: 2 ** 64, prepare: 2 ** 64 } }, new Names('')),
  ).toThrow(expect.objectContaining({ code: 'store-misconfigured' }))
})
