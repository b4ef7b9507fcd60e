import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { ProjectionStatus, Subscriber } from '../../src/http/schemas.ts'
import { streams } from '../../src/ledger/event.ts'
import { changeDatabase } from '../change-database.ts'
import { expectProblem } from '../http/problem.ts'
import { OPERATOR, type RunningApp, runApp } from '../http/running-app.ts'
import { message, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { rowsOf } from './doubles.ts'

const soon = { timeout: 20_000, interval: 20 }
const NAME = 'subscriber-status'

function fileOf(folder: string, number: number): string {
  return join(folder, 'projections', NAME, `00000${number}.sqlite`)
}

async function statusOf(ledger: RunningApp) {
  return ProjectionStatus.parse((await ledger.get(`/v1/projections/${NAME}`)).json())
}

/** A ledger that was told something and closed: its folder, and what it said. */
async function closedLedger() {
  const folder = temporaryFolder()
  const ledger = await runApp({ folder })
  let position = ''
  for (let number = 0; number < 30; number++) {
    const id = { subscriber_id: `s_${number % 10}`, id: `im_${number}` }
    position = (await ledger.record(message('2026-03-02T10:00:00', id))).position
  }
  const answer = (await ledger.read(`/subscribers?after=${position}`)).body
  await ledger.close()
  return { folder, position, answer, rows: rowsOf(fileOf(folder, 1)) }
}

test('a changed version is rebuilt by itself, and read from the one before until then', async () => {
  const { folder, position, answer, rows } = await closedLedger()
  changeDatabase(fileOf(folder, 1), 'UPDATE generation SET version = 0')
  const ledger = await runApp({ folder })
  expect((await ledger.read('/subscribers')).body).toBe(answer)
  await vi.waitFor(
    async () => expect(await statusOf(ledger)).toMatchObject({ generation: 2, version: 1, rebuild: null }),
    soon,
  )
  expect((await ledger.read(`/subscribers?after=${position}`)).body).toBe(answer)
  await ledger.close()
  expect(rowsOf(fileOf(folder, 2))).toStrictEqual(rows)
})

test('with other tables nothing is read until it has been rebuilt: 503, and the readiness page says so', async () => {
  const { folder, position, answer } = await closedLedger()
  changeDatabase(fileOf(folder, 1), `UPDATE generation SET version = 0, schema = 'CREATE TABLE other (x)'`)
  const ledger = await runApp({ folder })
  const refused = await ledger.read('/subscribers')
  expectProblem(refused, 503, 'projection-not-ready')
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(await statusOf(ledger)).toMatchObject({ generation: null, state: 'rebuilding' })
  expect((await ledger.get('/readyz', null)).json()).toMatchObject({
    problems: [expect.stringContaining('subscriber-status: it cannot be read until it has been built')],
  })
  // The other projections do not suffer from it.
  expect((await ledger.read('/unplaced')).statusCode).toBe(200)
  // Who waits for a position waits for the rebuild too.
  expect((await ledger.read(`/subscribers?after=${position}`)).body).toBe(answer)
})

test('a file that is damaged while it is read is not served any more, and rebuilt by itself', async () => {
  const { folder, position, answer, rows } = await closedLedger()
  // Damage that only shows when the rows are read: what stands behind the first pages.
  const path = fileOf(folder, 1)
  const db = new DatabaseSync(path)
  const { rootpage } = db.prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'subscriber'`).get() ?? {}
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  const bytes = readFileSync(path)
  bytes.fill(0xee, (Number(rootpage) - 1) * 4096, Number(rootpage) * 4096)
  writeFileSync(path, bytes)

  const ledger = await runApp({ folder })
  expectProblem(await ledger.read('/subscribers'), 503, 'projection-not-ready')
  expect((await ledger.read(`/subscribers?after=${position}`)).body).toBe(answer)
  await vi.waitFor(
    async () => expect(await statusOf(ledger)).toMatchObject({ generation: 2, state: 'live' }),
    soon,
  )
  await ledger.close()
  expect(rowsOf(fileOf(folder, 2))).toStrictEqual(rows)
  expect(readdirSync(join(folder, 'projections', NAME)).filter((name) => name.endsWith('.sqlite'))).toEqual([
    '000002.sqlite',
  ])
})

test('who waits is listed page by page, is incomplete meanwhile, and is let in by a retry', async () => {
  const { folder, answer } = await closedLedger()
  // As an earlier release might have left it, which could not handle the third of two subscribers' messages.
  const streamsParked = ['s_3', 's_7'].map((id) => streams.subscriber(SHOP, id))
  for (const stream of streamsParked)
    changeDatabase(
      fileOf(folder, 1),
      `UPDATE subscriber SET messages = 2, revision = 1 WHERE subscriber_id = '${stream.split('.').at(-1)}';
       DELETE FROM message WHERE message_id IN ('im_23', 'im_27');
       INSERT INTO parked VALUES ('${stream}', 2, 'id-1', 'RangeError', 1)`,
    )
  const ledger = await runApp({ folder })
  const subscriber = async (id: string) => Subscriber.parse((await ledger.read(`/subscribers/${id}`)).json())
  expect(await subscriber('s_3')).toMatchObject({ incomplete: true, messages: { received: 2 } })
  expect(await subscriber('s_4')).toMatchObject({ incomplete: false })

  const url = `/v1/projections/${NAME}/parked`
  const first = (await ledger.get(`${url}?limit=1`, OPERATOR)).json()
  expect(first).toEqual({
    items: [
      {
        stream: streamsParked[0],
        shopId: SHOP,
        subscriberId: 's_3',
        revision: 2,
        eventId: 'id-1',
        error: 'RangeError',
        waiting: 1,
      },
    ],
    next: expect.any(String),
  })
  const second = (await ledger.get(`${url}?limit=1&cursor=${first.next}`, OPERATOR)).json()
  expect(second).toMatchObject({ items: [{ subscriberId: 's_7' }], next: null })

  const retried = await ledger.app.inject({
    method: 'POST',
    url: `${url}/retry`,
    headers: { authorization: `Bearer ${OPERATOR}` },
  })
  expect(retried.json()).toEqual({ released: 2, stillParked: 0 })
  expect((await ledger.read('/subscribers')).body).toBe(answer)
  expect(await statusOf(ledger)).toMatchObject({ parked: 0 })
})
