import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { projections } from '../../../projections/index.ts'
import { systemClock } from '../../../src/clock.ts'
import { copyLog } from '../../../src/copying/copy.ts'
import type { EventLog } from '../../../src/event-store/event-store.ts'
import { EventStoreDbCopyTarget } from '../../../src/event-store/eventstoredb/copy-target.ts'
import { SqliteEventStore } from '../../../src/event-store/sqlite/sqlite-store.ts'
import { place } from '../../../src/ledger/placement.ts'
import { digestOf } from '../../../src/projecting/digest.ts'
import { story } from '../../../src/traffic/story.ts'
import { allEvents, expectWholeChains } from '../../chains.ts'
import { SHOP, SIGNED_WITH } from '../../ledger/deliveries.ts'
import { builder } from '../../projecting/building.ts'
import { temporaryFolder } from '../../temporary-folder.ts'
import { startDouble } from './stores.ts'

/** An embedded log of a story with late, repeated and stray deliveries. */
async function toldLog(deliveries: number): Promise<SqliteEventStore> {
  const path = join(temporaryFolder(), 'log.sqlite')
  const store = await SqliteEventStore.open({ path, writer: 'folder-1' })
  onTestFinished(() => store.close())
  const clock = systemClock()
  const shops = [{ id: SHOP, signingToken: 'token' }]
  const start = '2026-01-05T14:00:00Z'
  const kept = Array.from(story({ seed: 'copy', shops, subscribers: 40, start, deliveries }), ({ body }) => {
    const received = { receivedAt: clock(), signedWith: SIGNED_WITH, shopIds: [SHOP] as const }
    const { stream, event } = place({ body: Buffer.from(body), ...received }, (shop) => shop === SHOP)
    return store.append(stream, event)
  })
  await Promise.all(kept)
  return store
}

function openTarget(url: string): EventStoreDbCopyTarget {
  const target = new EventStoreDbCopyTarget({
    url,
    writer: '',
    clock: systemClock(),
    expectedId: null,
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  onTestFinished(() => target.close())
  return target
}

const pause = () => new Promise<void>((resolve) => setImmediate(resolve))

const withoutPositions = async (log: EventLog) =>
  (await allEvents(log)).map(({ position: _, ...event }) => event)

test('a log that is copied is the same in EventStoreDB, in the same order', async () => {
  const source = await toldLog(400)
  const double = await startDouble()
  const target = openTarget(double.url)
  const { events, before } = await copyLog({ source, target, pause })
  expect(before).toBe(0)
  const copied = await withoutPositions(target)
  expect(copied).toHaveLength(events)
  expect(copied).toEqual(await withoutPositions(source))
  expectWholeChains(await allEvents(target))
})

test('a copy whose server is killed on the way goes on, and nothing is out of order', async () => {
  const source = await toldLog(300)
  const double = await startDouble()
  const target = openTarget(double.url)
  const killed = vi
    .waitFor(() => expect(double.events().length).toBeGreaterThan(60), { interval: 2 })
    .then(() => double.restart())
  // Broken off, it is run again.
  const copied = () => copyLog({ source, target, pause })
  await copied().catch(copied)
  await killed
  expect(await withoutPositions(target)).toEqual(await withoutPositions(source))
})

test('projections built from a copy have the same rows to the byte', async () => {
  const source = await toldLog(400)
  const double = await startDouble()
  const target = openTarget(double.url)
  await copyLog({ source, target, pause })
  const [embedded, distant] = await Promise.all([source, target].map((log) => digestsOf(log)))
  expect(Object.keys(embedded ?? {})).toHaveLength(Object.keys(projections).length)
  expect(distant).toEqual(embedded)
})

/** Of all projections, built anew from the whole log. */
async function digestsOf(log: EventLog): Promise<Record<string, string>> {
  const folder = temporaryFolder()
  const all = Object.values(projections)
  const { builder: building, built, stop } = builder(log, folder)
  await Promise.all(all.map((projection) => building.begin(projection, { held: false })))
  await vi.waitFor(() => expect(built).toHaveLength(all.length), { timeout: 20_000 })
  await stop()
  const never = new AbortController().signal
  const digests = await Promise.all(
    all.map(async (projection) => {
      const number = built.find(({ name }) => name === projection.name)?.number ?? 0
      const path = join(folder, projection.name, `${String(number).padStart(6, '0')}.sqlite`)
      return [projection.name, (await digestOf(path, projection, never)).sha256] as const
    }),
  )
  return Object.fromEntries(digests)
}
