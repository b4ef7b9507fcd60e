import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { ProjectionStatus } from '../../src/http/schemas.ts'
import { streams } from '../../src/ledger/event.ts'
import { message, placeBody, SHOP } from '../ledger/deliveries.ts'
import { rowsOf } from '../projecting/doubles.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, LedgerProcess } from './ledger-process.ts'

const KILLS = 20
const EVENTS = 12_000
const SUBSCRIBERS = 500
/** Longer than a rebuild of so many events takes, in milliseconds. */
const LATEST_MS = 900
const NAMES = ['subscriber-status', 'message-timeline']
const READS = [
  `/v1/shops/${SHOP}/subscribers?limit=200`,
  ...[0, 7, 499].flatMap((number) => [
    `/v1/shops/${SHOP}/subscribers/s_${number}`,
    `/v1/shops/${SHOP}/subscribers/s_${number}/timeline?limit=200`,
  ]),
]

test('killed at twenty moments of a rebuild, the ledger never gives a wrong answer, and goes on with it', async () => {
  const folder = temporaryFolder()
  configure(folder)
  const head = await fill(folder)

  const first = await LedgerProcess.start(folder)
  const stands = async (ledger: LedgerProcess, name: string) =>
    ProjectionStatus.parse(JSON.parse((await ledger.get(`/v1/projections/${name}`)).body))
  const settled = (ledger: LedgerProcess) =>
    vi.waitFor(
      async () => {
        for (const name of NAMES)
          expect(await stands(ledger, name)).toMatchObject({ state: 'live', position: head, rebuild: null })
      },
      { timeout: 30_000, interval: 50 },
    )
  await settled(first)
  const answers = new Map<string, string>()
  for (const path of READS) answers.set(path, (await first.get(path)).body)
  expect(await first.stop()).toBe(0)
  const rows = NAMES.map((name) => rowsOf(onlyGeneration(folder, name)))

  let cutShort = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const ledger = await LedgerProcess.start(folder)
    for (const path of READS) expect((await ledger.get(path)).body).toBe(answers.get(path))
    const rebuilt = NAMES.map((name) => ledger.ask('POST', `/v1/projections/${name}/rebuild`))
    // Where the last one was cut short, it is running already.
    for (const { status } of await Promise.all(rebuilt)) expect([202, 409]).toContain(status)
    await delay(Math.random() * LATEST_MS)
    const running = await stands(ledger, 'subscriber-status').catch(() => null)
    if (running?.rebuild !== null) cutShort++
    ledger.child.kill('SIGKILL')
    await ledger.exited
  }
  expect(cutShort).toBeGreaterThan(KILLS / 4)

  const last = await LedgerProcess.start(folder)
  for (const path of READS) expect((await last.get(path)).body).toBe(answers.get(path))
  await settled(last)
  for (const path of READS) expect((await last.get(path)).body).toBe(answers.get(path))
  expect(await last.stop()).toBe(0)
  expect(NAMES.map((name) => rowsOf(onlyGeneration(folder, name)))).toStrictEqual(rows)
}, 180_000)

/** The one file that a projection has left: of all that were begun, nothing else stays. */
function onlyGeneration(folder: string, name: string): string {
  const home = join(folder, 'projections', name)
  const files = readdirSync(home).filter((file) => file.endsWith('.sqlite'))
  expect(files).toHaveLength(1)
  return join(home, files[0] ?? '')
}

/** Writes a log, as the ledger would; gives its head. */
async function fill(folder: string): Promise<string> {
  const store = await SqliteEventStore.open({ path: join(folder, 'log.sqlite'), writer: 'folder-1' })
  for (let number = 0; number < EVENTS; number += 1000)
    await Promise.all(
      Array.from({ length: 1000 }, (_, index) => {
        const id = { id: `im_${number + index}`, subscriber_id: `s_${(number + index) % SUBSCRIBERS}` }
        const { event } = placeBody(message('2026-03-01T10:00:00', id))
        return store.append(streams.subscriber(SHOP, id.subscriber_id), event)
      }),
    )
  const head = (await store.head()) ?? ''
  await store.close()
  return head
}
