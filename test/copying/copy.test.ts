import fc from 'fast-check'
import { expect, test } from 'vitest'
import { projections } from '../../projections/index.ts'
import { type CopyProgress, copyLog } from '../../src/copying/copy.ts'
import { eventOf, type LogEntry, StoreError } from '../../src/event-store/event-store.ts'
import type { StoredEvent } from '../../src/ledger/event.ts'
import type { AnyProjection } from '../../src/projecting/projection.ts'
import { instant, Log, message, optIn, optOut } from '../ledger/deliveries.ts'
import { build } from '../projections/build.ts'
import { type Fate, MemoryLog } from './memory-log.ts'

const COUNT = 23

/** Of three subscribers who take turns. */
function someEvents(): StoredEvent[] {
  const log = new Log()
  return Array.from({ length: COUNT }, (_, index) => {
    const time = `2026-03-01T10:00:${10 + index}.000000`
    const data = {
      subscriber_id: `s_${(index * 7) % 3}`,
      id: `im_${index}`,
      phone_number: `+1555000${index}`,
    }
    const body = [optIn, optOut, message][index % 3]?.(time, data) ?? {}
    return log.receive(index % 4 === 0 ? `${JSON.stringify(body)} ` : body, instant(time))
  })
}

const events = someEvents()

function logWith(...entries: readonly LogEntry[]): MemoryLog {
  const log = new MemoryLog()
  log.add(...entries)
  return log
}

const copy = (source: MemoryLog, target: MemoryLog) => copyLog({ source, target, pause: async () => {} })

// Positions differ by engine.
function contentOf(log: MemoryLog): unknown[] {
  return log.entries.map(({ position: _, ...content }) => content)
}

test('all events are there then, in the same order, each as it was', async () => {
  const [source, target] = [logWith(...events), new MemoryLog({ page: 8 })]
  expect(await copy(source, target)).toEqual({ events: COUNT, before: 0 })
  expect(contentOf(target)).toEqual(contentOf(source))
})

test('projections have the same rows, whichever of the two they are built from', async () => {
  const [source, target] = [logWith(...events), new MemoryLog()]
  await copy(source, target)
  for (const projection of Object.values(projections))
    expect(rowsFrom(target, projection)).toBe(rowsFrom(source, projection))
})

function rowsFrom({ entries }: MemoryLog, projection: AnyProjection): string {
  using built = build({ ...projection, queries: () => null }, entries.map(eventOf))
  return built.dump()
}

test('an empty log is copied too', async () => {
  expect(await copy(new MemoryLog(), new MemoryLog())).toEqual({ events: 0, before: 0 })
})

test('a copy that is there already is compared, and nothing is stored', async () => {
  const target = logWith(...events)
  expect(await copy(logWith(...events), target)).toEqual({ events: COUNT, before: COUNT })
  expect(target.copies).toBe(0)
})

const unavailable = new StoreError('store-unavailable', 'not now')
const killed = new Error('killed')

test('broken off and failing anywhere, as often as it likes, it ends with the same log', async () => {
  const fate = fc.record<Fate>({
    stores: fc.nat(6),
    error: fc.constantFrom(unavailable, killed, new StoreError('store-overloaded', 'too much')),
  })
  // Nothing stored eight times in a row is given up, which counts as broken off.
  const fates = fc.array(fc.oneof(fate, fc.constant<Fate>({ stores: 9, error: null })), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(
      fates,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      async (script, a, b) => {
        const [source, target] = [new MemoryLog({ page: a }), new MemoryLog({ page: b })]
        source.add(...events)
        target.expect(...script)
        for (let runs = 0; ; runs++) {
          expect(runs).toBeLessThanOrEqual(script.length)
          const copied = await copy(source, target).catch((error: unknown) => {
            if (error === killed || error instanceof StoreError) return null
            throw error
          })
          expect(contentOf(target)).toEqual(contentOf(source).slice(0, target.entries.length))
          if (copied !== null) break
        }
        expect(contentOf(target)).toEqual(contentOf(source))
      },
    ),
    { numRuns: 200 },
  )
})

test('a target that stays away is given up after a while, with its own words', async () => {
  const target = new MemoryLog()
  target.expect(...Array.from({ length: 20 }, () => ({ stores: 0, error: unavailable })))
  const pauses: number[] = []
  const pause = async (milliseconds: number) => {
    pauses.push(milliseconds)
  }
  await expect(copyLog({ source: logWith(...events), target, pause })).rejects.toBe(unavailable)
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
})

test('one that is away now and then is waited for each time', async () => {
  const target = new MemoryLog()
  const away = Array.from({ length: 6 }, () => ({ stores: 0, error: unavailable }))
  target.expect(...away, { stores: 5, error: null }, ...away)
  expect(await copy(logWith(...events), target)).toEqual({ events: COUNT, before: 0 })
})

test('what it refuses for good is not tried again', async () => {
  const target = new MemoryLog()
  const refusal = new StoreError('store-refuses', 'the event is too large')
  target.expect({ stores: 2, error: refusal })
  await expect(copy(logWith(...events), target)).rejects.toBe(refusal)
  expect(target.copies).toBe(1)
})

const [first, second, third] = events
const other = new Log().receive(
  optIn('2026-05-05T10:00:00.000000', { subscriber_id: 's_x' }),
  instant('2026-05-05T10:00:00'),
)
if (first === undefined || second === undefined || third === undefined) throw new Error('no events')
const { stream, position } = second

test.each<[what: string, there: readonly LogEntry[], message: string]>([
  [
    'an event of its own',
    [first, other],
    `it has ${other.stream}, revision 0 where this log has ${stream}, revision 0`,
  ],
  [
    'events in another order',
    [second, first],
    `it has ${stream}, revision 0 where this log has ${first.stream}, `,
  ],
  ['a hole', [first, third], `it has ${third.stream}, revision 0 where this log has ${stream}, revision 0`],
  ['more than the log', [...events, other], `it has ${other.stream}, revision 0 where this log has nothing`],
  ['an event twice', [first, first, second], `it has ${first.stream}, revision 0 where`],
  [
    'an event with other data',
    [first, { ...second, data: { ...second.data, more: 1 } }],
    `has another event at ${stream}, revision 0`,
  ],
  [
    'an event with other metadata',
    [first, { ...second, metadata: { ...second.metadata, writer: 'somebody' } }],
    `has another event at ${stream}, revision 0`,
  ],
  [
    'an event with another hash',
    [first, { ...second, metadata: { ...second.metadata, hash: '00' } }],
    `has another event at ${stream}, revision 0`,
  ],
  [
    'something of somebody else',
    [first, { stream, revision: 0, position, foreign: 'its data are no JSON object' }],
    `has another event at ${stream}, revision 0`,
  ],
])('a target with %s is refused, the first difference named, and nothing is stored', async (_, there, said) => {
  const target = logWith(...there)
  const copying = copy(logWith(...events), target)
  await expect(copying).rejects.toMatchObject({
    code: 'copy-refused',
    message: expect.stringContaining(said),
  })
  expect(target.copies).toBe(0)
})

test('a target that says more than it did is found out in the end', async () => {
  const target = new MemoryLog()
  target.expect({ stores: 4, error: null }, { stores: 0, error: null })
  await expect(copy(logWith(...events), target)).rejects.toMatchObject({ code: 'copy-refused' })
  const empty = new MemoryLog()
  empty.expect(...Array.from({ length: COUNT }, () => ({ stores: 0, error: null })))
  await expect(copy(logWith(...events), empty)).rejects.toMatchObject({
    message: `the target lacks ${first.stream}, revision 0`,
  })
})

test('a log that is damaged is not copied beyond the damage', async () => {
  const foreign = { stream, revision: 0, position, foreign: 'its data are no JSON object' }
  const target = new MemoryLog()
  await expect(copy(logWith(first, foreign, third), target)).rejects.toMatchObject({
    code: 'store-damaged',
    message: `${stream}, revision 0: its data are no JSON object`,
  })
})

test('it says how far it is', async () => {
  const said: CopyProgress[] = []
  const onProgress = (progress: CopyProgress) => said.push(progress)
  const target = logWith(...events.slice(0, 7))
  await copyLog({ source: logWith(...events), target, onProgress, pause: async () => {} })
  const phases = Map.groupBy(said, ({ phase }) => phase)
  expect([...phases.keys()]).toEqual(['comparing what is there', 'copying', 'comparing both'])
  expect(phases.get('comparing what is there')?.map((progress) => progress.events)).toEqual([5, 7])
  expect(phases.get('copying')?.map((progress) => progress.events)).toEqual([12, 17, 22, 23])
  expect(phases.get('comparing both')?.at(-1)).toMatchObject({ events: COUNT, total: COUNT })
})
