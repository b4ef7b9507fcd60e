import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import type { EventLog, EventStore } from '../../src/event-store/event-store.ts'
import { type Position, streams } from '../../src/ledger/event.ts'
import { openGenerations } from '../../src/projecting/opening.ts'
import { message, placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { builder } from './building.ts'
import { notebook, openLog, project, rowsOf } from './doubles.ts'

const EVENTS = 1_000
const streamOf = (id: string) => streams.subscriber(SHOP, id)

let folder: string
let store: EventStore
beforeEach(async () => {
  folder = temporaryFolder()
  store = await openLog(folder)
  await Promise.all(Array.from({ length: EVENTS }, (_, number) => append(number)))
})

function append(number: number) {
  const { event } = placeBody(message('2026-03-01T10:00:00', { id: `im_${number}` }))
  return store.append(streamOf(`s_${number % 5}`), event)
}

/** The same log in small pages, `read` hearing of each before it is given. */
function watched(read: () => void | Promise<void>): EventLog {
  return {
    id: () => store.id(),
    start: store.start,
    readStream: (...range) => store.readStream(...range),
    readAll: async (after, limit, upTo) => {
      await read()
      return store.readAll(after, Math.min(limit, 100), upTo)
    },
    head: () => store.head(),
    countBehind: (after) => store.countBehind(after),
    waitBehind: (after, signal) => store.waitBehind(after, signal),
    isPosition: (text): text is Position => store.isPosition(text),
    close: () => store.close(),
  }
}

const filesOf = (name: string) => readdirSync(join(folder, name))
const wholeFile = (name: string, number: number) => join(folder, name, `00000${number}.sqlite`)

test('what is built has the rows that were there, to the byte, those that wait included', async () => {
  const picky = notebook('notes', (stream, revision) => {
    if (stream === streamOf('s_3') && revision === 7) throw new RangeError('never')
  })
  const { generations, last, stop } = await project(store, folder, picky)
  const head = await store.head()
  await vi.waitFor(() => expect(last('notes')?.checkpoint).toBe(head))
  await stop()
  const live = generations.get('notes')?.path ?? ''

  const { builder: bulk, built } = builder(store, folder)
  await bulk.begin(picky, { held: false })
  await vi.waitFor(() => expect(built).toEqual([{ name: 'notes', number: 2 }]))
  // It is whole in one file: nothing of it is left in a log beside it.
  expect(filesOf('notes').filter((name) => name.startsWith('000002'))).toEqual(['000002.sqlite'])
  expect(rowsOf(wholeFile('notes', 2))).toStrictEqual(rowsOf(live))
})

test('those that are asked for together take one pass', async () => {
  let reads = 0
  const log = watched(() => {
    reads++
  })
  const { builder: bulk, built } = builder(log, folder)
  await Promise.all(['a', 'b', 'c'].map((name) => bulk.begin(notebook(name), { held: false })))
  await vi.waitFor(() => expect(built).toHaveLength(3))
  expect(reads).toBe(EVENTS / 100)
  expect(rowsOf(wholeFile('c', 1))).toEqual(rowsOf(wholeFile('a', 1)))
})

test('one that is asked for later is built beside', async () => {
  const { promise: reading, resolve: read } = Promise.withResolvers<void>()
  const { builder: bulk, built } = builder(watched(read), folder)
  await bulk.begin(notebook('early'), { held: false })
  await reading
  await bulk.begin(notebook('late'), { held: false })
  await vi.waitFor(() => expect(built.map(({ name }) => name)).toEqual(['early', 'late']))
  expect(rowsOf(wholeFile('late', 1))).toEqual(rowsOf(wholeFile('early', 1)))
})

test('what comes while it builds is in it', async () => {
  let more = 250
  const log = watched(async () => {
    if (more > 0) await append(EVENTS + more--)
  })
  const { builder: bulk, built } = builder(log, folder)
  await bulk.begin(notebook('notes'), { held: false })
  await vi.waitFor(() => expect(built).toHaveLength(1))
  expect(rowsOf(wholeFile('notes', 1))['note']?.length).toBeGreaterThan(EVENTS)
})

test('progress is told: handled of how many, since when, how fast', async () => {
  const {
    builder: bulk,
    built,
    reports,
  } = builder(
    watched(() => new Promise((resolve) => setTimeout(resolve, 30))),
    folder,
  )
  await bulk.begin(notebook('notes'), { held: false })
  await vi.waitFor(() => expect(built).toHaveLength(1))
  const told = reports.flat().filter(({ handled }) => handled > 0)
  expect(told.length).toBeGreaterThan(0)
  for (const { total, handled, eventsPerSecond, startedAt, problem } of told) {
    expect(total).toBe(EVENTS)
    expect(handled).toBeLessThanOrEqual(EVENTS)
    expect(eventsPerSecond).toBeGreaterThan(0)
    expect(startedAt).toMatch(/Z$/)
    expect(problem).toBeNull()
  }
})

test('a build that is cancelled leaves nothing, and the others go on', async () => {
  let cancelled: Promise<void> | null = null
  const log = watched(() => {
    cancelled ??= bulk.cancel('gone')
  })
  const { builder: bulk, built } = builder(log, folder)
  await Promise.all(['gone', 'kept'].map((name) => bulk.begin(notebook(name), { held: false })))
  await vi.waitFor(() => expect(built).toEqual([{ name: 'kept', number: 1 }]))
  await cancelled
  expect(filesOf('gone')).toEqual([])
})

test('while the log is away it says why, and goes on when it is back', async () => {
  let away = true
  const log = watched(() => {
    if (away) throw Object.assign(new Error('the log cannot be read'), { code: 'store-unavailable' })
  })
  const { builder: bulk, built, last } = builder(log, folder)
  await bulk.begin(notebook('notes'), { held: false })
  await vi.waitFor(() => expect(last('notes')?.problem).toBe('the log cannot be read'))
  away = false
  await vi.waitFor(() => expect(built).toHaveLength(1))
})

test('a fault of its own halts it with a reason, parks nobody, and is got over when the cause is gone', async () => {
  let full = true
  const hindered = notebook('notes', (_, revision) => {
    if (full && revision === 50)
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
  })
  const { builder: bulk, built, last } = builder(store, folder)
  await Promise.all([bulk.begin(hindered, { held: false }), bulk.begin(notebook('easy'), { held: false })])
  await vi.waitFor(() => expect(last('notes')?.problem).toBe('database or disk is full'))
  await vi.waitFor(() => expect(built).toEqual([{ name: 'easy', number: 1 }]))
  full = false
  await vi.waitFor(() => expect(built).toHaveLength(2))
  const { note, parked } = rowsOf(wholeFile('notes', 1))
  expect(note).toHaveLength(EVENTS)
  expect(parked).toEqual([])
})

test('a file that is damaged while it is built is begun again', async () => {
  let damaged = false
  const frail = notebook('notes', (_, revision) => {
    if (revision !== 50 || damaged) return
    damaged = true
    throw Object.assign(new Error('database disk image is malformed'), {
      code: 'ERR_SQLITE_ERROR',
      errcode: 11,
    })
  })
  const { builder: bulk, built } = builder(store, folder)
  await bulk.begin(frail, { held: false })
  await vi.waitFor(() => expect(built).toHaveLength(1))
  expect(rowsOf(wholeFile('notes', built[0]?.number ?? 0))['note']).toHaveLength(EVENTS)
})

test('a build that is stopped is wanted by the next start, and by none after it is whole', async () => {
  const { promise: reading, resolve: read } = Promise.withResolvers<void>()
  const first = builder(watched(read), folder)
  await first.builder.begin(notebook('notes'), { held: true })
  await reading
  await first.stop()
  expect(existsSync(wholeFile('notes', 1))).toBe(false)

  const id = await store.id()
  const started = () => openGenerations(folder, notebook('notes'), id, false)
  for (let start = 0; start < 2; start++)
    expect(started()).toEqual({
      generations: [],
      wanted: { reason: 'its rebuild was not finished', held: true },
      highest: 1,
    })
  const second = builder(store, folder)
  await second.builder.begin(notebook('notes'), { held: false })
  await vi.waitFor(() => expect(second.built).toEqual([{ name: 'notes', number: 2 }]))
  expect(filesOf('notes')).toEqual(['000002.sqlite'])
  const { generations, wanted } = started()
  expect(wanted).toBeNull()
  for (const generation of generations) generation.close()
})
