import { beforeEach, expect, test, vi } from 'vitest'
import { type EventLog, type EventStore, StoreError } from '../../src/event-store/event-store.ts'
import { type Position, streams } from '../../src/ledger/event.ts'
import { message, placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { notebook, openLog, project, rowsOf } from './doubles.ts'

const SUBSCRIBERS = 1_000
const streamOf = (number: number) => streams.subscriber(SHOP, `s_${number}`)
const POISONED = streamOf(666)

let folder: string
let store: EventStore
/** Which revision of the poisoned stream can't be handled; null when the mistake is mended. */
let poison: number | null
const picky = notebook('notes', (stream, revision) => {
  if (stream === POISONED && revision === poison) throw new RangeError('a mistake')
})

beforeEach(async () => {
  folder = temporaryFolder()
  store = await openLog(folder)
  poison = 1
  for (let round = 0; round < 4; round++)
    await Promise.all(
      Array.from({ length: round === 0 ? SUBSCRIBERS : 1 }, (_, number) =>
        append(round === 0 ? number : 666, round),
      ),
    )
})

function append(subscriber: number, round: number) {
  const { event } = placeBody(message('2026-03-01T10:00:00', { id: `im_${subscriber}_${round}` }))
  return store.append(streamOf(subscriber), event)
}

async function projected(log: EventLog = store) {
  const running = await project(log, folder, picky)
  const head = await store.head()
  await vi.waitFor(() => expect(running.last('notes')?.checkpoint).toBe(head))
  const path = running.generations.get('notes')?.path ?? ''
  const number = running.generations.get('notes')?.number ?? 0
  const noted = () => (rowsOf(path)['note'] ?? []).filter((row) => JSON.stringify(row).includes(POISONED))
  return { ...running, retry: () => running.projector.retry('notes', number), noted, path }
}

test('one of a thousand subscribers waits, and a mended projection lets hers in, in order', async () => {
  const { last, retry, noted, path } = await projected()
  expect(last('notes')).toMatchObject({ parked: 1, halted: null })
  expect(rowsOf(path)['note']).toHaveLength(SUBSCRIBERS)
  expect(rowsOf(path)['parked']).toEqual([
    { stream: POISONED, revision: 1, event_id: expect.any(String), error: 'RangeError', waiting: 3 },
  ])

  expect(await retry()).toEqual({ released: 0, stillParked: 1 })
  poison = null
  expect(await retry()).toEqual({ released: 1, stillParked: 0 })
  expect(noted()).toEqual([0, 1, 2, 3].map((revision) => ({ stream: POISONED, revision })))
  expect(rowsOf(path)['parked']).toEqual([])
  expect(last('notes')).toMatchObject({ parked: 0 })
})

test('where another of her events can’t be handled, what is before it is let in and the rest waits', async () => {
  const { retry, noted, path } = await projected()
  poison = 3
  expect(await retry()).toEqual({ released: 0, stillParked: 1 })
  expect(noted()).toHaveLength(3)
  expect(rowsOf(path)['parked']).toMatchObject([{ stream: POISONED, revision: 3, waiting: 1 }])
  poison = null
  expect(await retry()).toEqual({ released: 1, stillParked: 0 })
  expect(noted()).toHaveLength(4)
})

test('once she is let in, what comes next is handled as it comes', async () => {
  const { retry, noted, last } = await projected()
  poison = null
  await retry()
  const { position } = await append(666, 9)
  await vi.waitFor(() => expect(last('notes')?.checkpoint).toBe(position))
  expect(noted().map((row) => row)).toHaveLength(5)
})

test('with the log away nothing is changed, and the next time it works', async () => {
  let away = false
  const log: EventLog = {
    id: () => store.id(),
    start: store.start,
    readStream: async (...range) => {
      if (away) throw new StoreError('store-unavailable', 'away')
      return store.readStream(...range)
    },
    readAll: (...range) => store.readAll(...range),
    head: () => store.head(),
    countBehind: (after) => store.countBehind(after),
    waitBehind: (after, signal) => store.waitBehind(after, signal),
    isPosition: (text): text is Position => store.isPosition(text),
    close: () => store.close(),
  }
  const { retry, noted, path } = await projected(log)
  poison = null
  away = true
  await expect(retry()).rejects.toMatchObject({ code: 'store-unavailable' })
  expect(rowsOf(path)['parked']).toMatchObject([{ revision: 1, waiting: 3 }])
  away = false
  expect(await retry()).toEqual({ released: 1, stillParked: 0 })
  expect(noted()).toHaveLength(4)
})
