import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { Metrics } from '../../src/http/metrics.ts'
import { instantFromEpoch } from '../../src/ledger/instant.ts'
import { optIn, placeBody } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const HOUR = 3_600_000

async function logWithOneEvent(): Promise<SqliteEventStore> {
  const path = join(temporaryFolder(), 'log.sqlite')
  const log = await SqliteEventStore.open({ path, writer: 'folder-1' })
  onTestFinished(() => log.close())
  const { stream, event } = placeBody(optIn('2026-03-01T10:00:00'))
  await log.append(stream, event)
  return log
}

const progress = () => [{ name: 'one', checkpoint: null, parked: 3, halted: null }]

test('each scrape tells of its own moment how far a projection is behind, the first one too', async () => {
  const metrics = new Metrics()
  const inAnHour = () => instantFromEpoch((Date.now() + HOUR) * 1000)
  metrics.watchLag(await logWithOneEvent(), progress, inAnHour)
  const text = await metrics.registry.metrics()
  expect(text).toContain('ledger_projection_lag_events{projection="one"} 1\n')
  expect(text).toContain('ledger_projection_parked{projection="one"} 3\n')
  expect(Number(/lag_seconds\{projection="one"\} (\S+)/.exec(text)?.[1])).toBeCloseTo(3600, -2)
})

test('a log that does not answer is not waited for', async () => {
  const metrics = new Metrics()
  const log = await logWithOneEvent()
  log.readAll = () => new Promise(() => {})
  metrics.watchLag(log, progress, systemClock())
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const scraped = metrics.registry.metrics()
  await vi.advanceTimersByTimeAsync(2_000)
  const text = await scraped
  expect(text).not.toContain('ledger_projection_lag_events{')
  expect(text).toContain('ledger_projection_parked{projection="one"} 3\n')
})
