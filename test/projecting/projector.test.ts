import { expect, test, vi } from 'vitest'
import type { EventLog, EventStore } from '../../src/event-store/event-store.ts'
import { type NewEvent, type Position, streams } from '../../src/ledger/event.ts'
import { instant, message, optIn, ownEvent, placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { notebook, openLog, project, rowsOf } from './doubles.ts'

const streamOf = (id: string) => streams.subscriber(SHOP, id)

function texted(number: number): NewEvent {
  return placeBody(message('2026-03-01T10:00:00', { id: `im_${number}` })).event
}

async function fill(store: EventStore, count: number, from = 0): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      store.append(streamOf(`s_${index % 5}`), texted(from + index)),
    ),
  )
}

test('every projection is given every event once, in the order of the log', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  await fill(store, 2500)
  const { generations, last } = await project(store, folder, notebook('one'), notebook('two'))
  const head = await store.head()
  await vi.waitFor(() => {
    for (const name of ['one', 'two']) expect(last(name)?.checkpoint).toBe(head)
  })
  const expected = (await store.readAll(null, 3000)).map(({ stream, revision }) => ({ stream, revision }))
  for (const { path } of generations.values()) expect(rowsOf(path)['note']).toEqual(expected)
})

test('an append wakes the projections; while nothing comes, nothing is asked of the log', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  let asked = 0
  const idle = vi.fn()
  const log = watched(store, {
    asked: () => asked++,
    waits: idle,
  })
  await fill(store, 10)
  const { last } = await project(log, folder, notebook('one'))
  await vi.waitFor(() => expect(idle).toHaveBeenCalledTimes(1))
  const before = asked
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(asked).toBe(before)
  expect(idle).toHaveBeenCalledTimes(1)

  const { position } = await store.append(streamOf('s_1'), texted(99))
  await vi.waitFor(() => expect(last('one')?.checkpoint).toBe(position))
})

test('a projection far behind does not hold up the others, and joins them in the end', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  await fill(store, 1000)
  const early = await project(store, folder, notebook('old'))
  const then = await store.head()
  await vi.waitFor(() => expect(early.last('old')?.checkpoint).toBe(then))
  await early.stop()

  const { position } = await store.append(streamOf('s_1'), texted(9999))
  let reads = 0
  const log = watched(store, { asked: () => reads++ })
  const both = await project(log, folder, notebook('old'), notebook('new'))
  await vi.waitFor(() => expect(both.last('new')?.checkpoint).toBe(position))
  const abreast = both.reports.filter(
    (report) =>
      report.some(({ name, checkpoint }) => name === 'old' && checkpoint === position) &&
      report.some(({ name, checkpoint }) => name === 'new' && (checkpoint ?? '') < position),
  )
  expect(abreast.length).toBeGreaterThan(1)

  // Abreast, they share what is read: as much of it as one alone would need.
  await vi.waitFor(() => expect(both.last('old')?.checkpoint).toBe(both.last('new')?.checkpoint))
  const before = reads
  const next = await store.append(streamOf('s_1'), texted(10_000))
  await vi.waitFor(() => expect(both.last('new')?.checkpoint).toBe(next.position))
  expect(both.last('old')?.checkpoint).toBe(next.position)
  expect(reads - before).toBeLessThanOrEqual(2)
})

test('an event that cannot be handled parks its subscriber, and everybody else goes on', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  for (let number = 0; number < 6; number++)
    for (const id of ['s_good', 's_bad']) await store.append(streamOf(id), texted(number))
  const picky = notebook('picky', (stream, revision) => {
    if (stream === streamOf('s_bad') && revision === 2) throw new RangeError('the text of +15551234567')
  })
  const { generations, last } = await project(store, folder, picky, notebook('easy'))
  const head = await store.head()
  await vi.waitFor(() => expect(last('picky')?.checkpoint).toBe(head))
  expect(last('picky')).toMatchObject({ parked: 1, halted: null })
  expect(last('easy')).toMatchObject({ parked: 0, checkpoint: head })

  const { note = [], parked } = rowsOf(generations.get('picky')?.path ?? '')
  const revisions = (id: string) =>
    note.filter((row) => JSON.stringify(row).includes(`"${streamOf(id)}"`)).map((row) => JSON.stringify(row))
  expect(revisions('s_good')).toHaveLength(6)
  expect(revisions('s_bad')).toHaveLength(2)
  expect(parked).toMatchObject([{ stream: streamOf('s_bad'), revision: 2, error: 'RangeError', waiting: 4 }])
})

test('a subscriber stays parked after a restart, and waits for all that comes', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  const picky = notebook('picky', (_, revision) => {
    if (revision === 0) throw new Error('never')
  })
  await store.append(streamOf('s_bad'), texted(0))
  const first = await project(store, folder, picky)
  await vi.waitFor(() => expect(first.last('picky')?.parked).toBe(1))
  await first.stop()

  const { position } = await store.append(streamOf('s_bad'), texted(1))
  const second = await project(store, folder, notebook('picky'))
  await vi.waitFor(() => expect(second.last('picky')?.checkpoint).toBe(position))
  expect(rowsOf(second.generations.get('picky')?.path ?? '')).toMatchObject({
    note: [],
    parked: [{ waiting: 2 }],
  })
})

test('an event of a stream that is not the ledger’s is parked by its stream', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  await store.append('somebody.elses-stream', ownEvent('odd', {}, 'manual', instant('2026-03-01T10:00:00')))
  const { position } = await store.append(streamOf('s_1'), texted(0))
  const { generations, last } = await project(store, folder, notebook('one'))
  await vi.waitFor(() => expect(last('one')).toMatchObject({ checkpoint: position, parked: 1 }))
  expect(rowsOf(generations.get('one')?.path ?? '')['parked']).toMatchObject([
    { stream: 'somebody.elses-stream', error: expect.stringContaining('foreign-event') },
  ])
})

test('while the log cannot be read every projection says so, and goes on when it can', async () => {
  const folder = temporaryFolder()
  const store = await openLog(folder)
  const { position } = await store.append(streamOf('s_1'), placeBody(optIn('2026-03-01T10:00:00')).event)
  let broken = true
  const log = watched(store, {
    asked: () => {
      if (broken) throw Object.assign(new Error('the log cannot be read'), { code: 'store-unavailable' })
    },
  })
  const { last } = await project(log, folder, notebook('one'), notebook('two'))
  await vi.waitFor(() => {
    for (const name of ['one', 'two']) expect(last(name)?.halted).toBe('the log cannot be read')
  })
  broken = false
  await vi.waitFor(() => expect(last('one')).toMatchObject({ checkpoint: position, halted: null }))
})

/** The same log, telling of each time that events are asked of it, or waited for. */
function watched(store: EventStore, { asked, waits }: { asked: () => void; waits?: () => void }): EventLog {
  return {
    id: () => store.id(),
    start: store.start,
    readStream: (...range) => store.readStream(...range),
    // In small pages, as where events are large.
    readAll: async (after, limit, upTo) => {
      asked()
      return store.readAll(after, Math.min(limit, 100), upTo)
    },
    head: () => store.head(),
    countBehind: (after) => store.countBehind(after),
    waitBehind: (after, signal) => {
      waits?.()
      return store.waitBehind(after, signal)
    },
    isPosition: (text): text is Position => store.isPosition(text),
    close: () => store.close(),
  }
}
