import { describe, expect, test, vi } from 'vitest'
import { eventOf } from '../../../src/event-store/event-store.ts'
import { streams } from '../../../src/ledger/event.ts'
import { message, placeBody, SHOP, SUBSCRIBER } from '../../ledger/deliveries.ts'
import { openStore, startDouble } from './stores.ts'

const STREAM = streams.subscriber(SHOP, SUBSCRIBER)
const OTHER = streams.subscriber(SHOP, 's_other')
const texted = (number: number) =>
  placeBody(message('2026-03-01T10:00:00.000000', { id: `im_${number}`, body: `Message ${number}` })).event

/** A store with three events in a stream, and one in another. */
async function someLog() {
  const double = await startDouble()
  const store = openStore(double.url)
  for (const number of [0, 1, 2]) await store.append(STREAM, texted(number))
  await store.append(OTHER, texted(0))
  return { double, store, fresh: () => openStore(double.url, { writer: 'folder-2' }) }
}

const json = (data: unknown, metadata: unknown = {}) => ({
  type: 'somebody.else',
  contentType: 'application/json' as const,
  data: Buffer.from(JSON.stringify(data)),
  metadata: Buffer.from(JSON.stringify(metadata)),
})

describe('what happens to a stream behind the back of the ledger is reported', () => {
  test('deleted: reading it says so, and so does whoever appends knowing nothing of it', async () => {
    const { double, store, fresh } = await someLog()
    double.softDelete(STREAM)
    const damaged = { code: 'store-damaged', message: expect.stringContaining('has been deleted') }
    await expect(store.readStream(STREAM, 0, 10)).rejects.toMatchObject(damaged)
    await expect(fresh().append(STREAM, texted(9))).rejects.toMatchObject(damaged)
    expect(await store.readStream(OTHER, 0, 10)).toHaveLength(1)
  })

  test('deleted for ever: reading and appending say so, and who follows the log is told where', async () => {
    const { double, store } = await someLog()
    double.tombstone(STREAM)
    const damaged = { code: 'store-damaged', message: expect.stringContaining('has been deleted') }
    await expect(store.readStream(STREAM, 0, 10)).rejects.toMatchObject(damaged)
    await expect(store.append(STREAM, texted(9))).rejects.toMatchObject({ code: 'store-damaged' })
    const entries = await store.readAll(null, 10)
    expect(entries.at(-1)).toMatchObject({
      stream: STREAM,
      foreign: 'the stream has been deleted from EventStoreDB',
      revision: Number.MAX_SAFE_INTEGER,
    })
  })

  test('truncated: reading it names the first revision that is missing', async () => {
    const { double, store, fresh } = await someLog()
    double.truncateBefore(STREAM, 2n)
    const damaged = { code: 'store-damaged', message: expect.stringContaining('revision 0 has been removed') }
    await expect(store.readStream(STREAM, 0, 10)).rejects.toMatchObject(damaged)
    await expect(fresh().append(STREAM, texted(9))).rejects.toMatchObject(damaged)
  })

  const foreign = {
    'is no JSON': { ...json({}), contentType: 'application/octet-stream' as const },
    'is no object': json(['not', 'an', 'object']),
    "has metadata that are not the ledger's": json({ a: 1 }, { user: 'somebody' }),
    'has no metadata': { ...json({ a: 1 }), metadata: new Uint8Array() },
  }
  test.each(Object.entries(foreign))('an event of somebody else that %s', async (_, event) => {
    const { double, store } = await someLog()
    double.put(STREAM, event)
    await store.append(OTHER, texted(1))
    const entries = await store.readAll(null, 10)
    expect(entries.map((entry) => 'foreign' in entry)).toEqual([false, false, false, false, true, false])
    expect(entries[4]).toMatchObject({ stream: STREAM, revision: 3 })
    await expect(store.readStream(STREAM, 0, 10)).rejects.toMatchObject({ code: 'store-damaged' })
    await expect(store.append(STREAM, texted(9))).rejects.toMatchObject({ code: 'store-damaged' })
  })
})

test("streams that are not the ledger's are not seen, however much stands in them", async () => {
  const { double, store } = await someLog()
  const head = await store.head()
  for (let number = 0; number < 300; number++) double.put(`orders-${number % 7}`, json({ number }))
  expect(await store.head()).toBe(head)
  expect(await openStore(double.url).head()).toBe(head)
  expect((await store.readAll(null, 100)).map(eventOf)).toHaveLength(4)
  expect(await store.countBehind(null)).toBe(4)
})

test('a store that has become another one takes nothing', async () => {
  const { double, store } = await someLog()
  const id = await store.id()
  const other = await startDouble()
  const folder = openStore(other.url, { expectedId: id })
  const foreign = { code: 'store-misconfigured', message: expect.stringContaining('another log') }
  await expect(folder.append(STREAM, texted(0))).rejects.toMatchObject(foreign)
  await expect(folder.probe()).rejects.toMatchObject(foreign)
  expect(other.events(STREAM)).toEqual([])
  expect(double.events('ledger.log')).toHaveLength(1)
})

test('a server that is replaced while the ledger runs is noticed before anything is appended to it', async () => {
  const { double, store } = await someLog()
  await store.readAll(null, 10)
  const { port } = double
  await double.close()
  await expect(store.append(OTHER, texted(1))).rejects.toMatchObject({ code: 'store-unavailable' })
  const other = await startDouble({ port })
  await vi.waitFor(() =>
    expect(store.append(OTHER, texted(1))).rejects.toMatchObject({ code: 'store-misconfigured' }),
  )
  await expect(store.id()).rejects.toMatchObject({ code: 'store-misconfigured' })
  expect(other.events(OTHER)).toEqual([])
})

test('ledgers that begin a log at once agree on which log it is', async () => {
  const double = await startDouble()
  const ids = await Promise.all(Array.from({ length: 5 }, () => openStore(double.url).id()))
  expect(new Set(ids).size).toBe(1)
  expect(double.events('ledger.log')).toHaveLength(1)
})
