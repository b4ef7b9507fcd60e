import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Spool } from '../../src/event-store/spool/spool.ts'
import { unspooled } from '../../src/event-store/spool/spooled-event.ts'
import { changeDatabase } from '../change-database.ts'
import { placeBody } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { copyAsKilled } from './spool-doubles.ts'
import { streamOf, texted } from './texts.ts'

const MIB = 1024 * 1024
const ADA = streamOf('s_ada')
const BOB = streamOf('s_bob')

function newPath(): string {
  return join(temporaryFolder(), 'spool.sqlite')
}

function openSpool(path: string, mostBytes = 1024 * MIB): Spool {
  const spool = new Spool(path, mostBytes)
  onTestFinished(() => spool.close())
  return spool
}

function rowsIn(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    return Number(db.prepare('SELECT count(*) AS rows FROM events').get()?.['rows'])
  } finally {
    db.close()
  }
}

const idsIn = (spool: Spool) => spool.oldest(10_000).map(({ event }) => unspooled(event).id)

test('events come out in the order in which they came, those of one turn and those of several', async () => {
  const spool = openSpool(newPath())
  const events = Array.from({ length: 50 }, (_, number) => texted(number))
  await Promise.all(events.slice(0, 20).map((event, at) => spool.enqueue(at % 2 === 0 ? ADA : BOB, event)))
  for (const event of events.slice(20)) await spool.enqueue(ADA, event)
  expect(idsIn(spool)).toEqual(events.map(({ id }) => id))
  expect(spool.depth).toBe(50)
})

test('what one turn of the event loop brings is committed together, before any of it is acknowledged', async () => {
  const path = newPath()
  const spool = openSpool(path)
  const all = Array.from({ length: 30 }, (_, number) => spool.enqueue(ADA, texted(number)))
  expect(rowsIn(path)).toBe(0)
  await all[0]
  expect(rowsIn(path)).toBe(30)
})

test.each<[string, string]>([
  ['an ordinary body', '{"event":"shop.odd","event_data":{"subscriber_id":"s_1"}}'],
  [
    'a body that was spelled in another way',
    '{ "event": "shop.odd", "event_data": {"subscriber_id":"s_1"} }',
  ],
  ['ids of 19 digits', '{"event":"shop.odd","event_data":{"id":1234567890123456789,"n":[1e400,1e21,-0.5]}}'],
  ['what JavaScript cannot say', '{"event":"shop.odd","__proto__":{"a":1},"odd":"\\ud83d \\u0000 \u2028 é"}'],
  ['no JSON', 'not JSON at all'],
])('an event comes out as it went in: %s', async (_, body) => {
  const spool = openSpool(newPath())
  const { stream, event } = placeBody(body)
  await spool.enqueue(stream, event)
  const [row] = spool.oldest(1)
  expect(row?.stream).toBe(stream)
  expect(unspooled(row?.event ?? '')).toStrictEqual(event)
})

test('what was acknowledged is there after a power cut', async () => {
  const path = newPath()
  const spool = openSpool(path)
  await Promise.all([spool.enqueue(ADA, texted(1)), spool.enqueue(BOB, texted(2))])
  copyAsKilled(path, `${path}.killed`)
  const after = openSpool(`${path}.killed`)
  expect(idsIn(after)).toEqual([texted(1).id, texted(2).id])
  expect(after.depth).toBe(2)
  expect(after.isWaiting(ADA)).toBe(true)
  expect(after.oldestReceivedAt).toBe(texted(1).receivedAt)
  await after.enqueue(ADA, texted(3))
  expect(idsIn(after)).toEqual([texted(1).id, texted(2).id, texted(3).id])
})

test('a stream waits from the moment that an event of it came until none is left', async () => {
  const spool = openSpool(newPath())
  const written = Promise.all([spool.enqueue(ADA, texted(1)), spool.enqueue(ADA, texted(2))])
  expect(spool.isWaiting(ADA)).toBe(true)
  await written
  const [first, second] = spool.oldest(2)
  if (first === undefined || second === undefined) throw new Error('not there')
  spool.settle([first], [])
  expect(spool.isWaiting(ADA)).toBe(true)
  spool.settle([second], [])
  expect(spool.isWaiting(ADA)).toBe(false)
  expect(spool.depth).toBe(0)
})

test('tells when the first of those that wait came', async () => {
  const spool = openSpool(newPath())
  expect(spool.oldestReceivedAt).toBeNull()
  await spool.enqueue(ADA, texted(1, '2026-03-01T10:00:00'))
  await spool.enqueue(BOB, texted(2, '2026-03-01T11:00:00'))
  expect(spool.oldestReceivedAt).toBe('2026-03-01T10:00:00.000000Z')
  spool.settle(spool.oldest(1), [])
  expect(spool.oldestReceivedAt).toBe('2026-03-01T11:00:00.000000Z')
  spool.settle(spool.oldest(1), [])
  expect(spool.oldestReceivedAt).toBeNull()
})

describe('an event that was set aside', () => {
  const reason = 'store-refuses: too large'

  test('waits no longer, is held, and keeps its reason', async () => {
    const path = newPath()
    const spool = openSpool(path)
    await Promise.all([spool.enqueue(ADA, texted(1)), spool.enqueue(BOB, texted(2))])
    const [row] = spool.oldest(1)
    if (row === undefined) throw new Error('not there')
    spool.settle([], [{ row, reason }])
    await spool.enqueue(ADA, texted(3), reason)
    expect(idsIn(spool)).toEqual([texted(2).id])
    expect({ depth: spool.depth, setAside: spool.setAside }).toEqual({ depth: 1, setAside: 2 })
    expect([spool.isWaiting(ADA), spool.holds(ADA), spool.holds(BOB)]).toEqual([false, true, true])
    const db = new DatabaseSync(path, { readOnly: true })
    onTestFinished(() => db.close())
    expect(db.prepare('SELECT set_aside FROM events ORDER BY seq').all()).toMatchObject([
      { set_aside: reason },
      { set_aside: null },
      { set_aside: reason },
    ])
  })

  test('waits again after the next start, at its place', async () => {
    const path = newPath()
    const spool = openSpool(path)
    await spool.enqueue(ADA, texted(1), reason)
    await spool.enqueue(BOB, texted(2))
    spool.close()
    const next = openSpool(path)
    expect(idsIn(next)).toEqual([texted(1).id, texted(2).id])
    expect({ depth: next.depth, setAside: next.setAside }).toEqual({ depth: 2, setAside: 0 })
  })
})

test('a commit that fails refuses all that was in it, and nothing of it is held', async () => {
  const path = newPath()
  const spool = openSpool(path)
  changeDatabase(
    path,
    "CREATE TRIGGER no_more BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no room'); END",
  )
  const outcomes = await Promise.allSettled([spool.enqueue(ADA, texted(1)), spool.enqueue(BOB, texted(2))])
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({
      reason: { code: 'store-unavailable', message: 'the spool cannot be written: no room' },
    })
  expect([spool.holds(ADA), spool.holds(BOB), spool.depth]).toEqual([false, false, 0])
  changeDatabase(path, 'DROP TRIGGER no_more')
  await spool.enqueue(ADA, texted(3))
  expect(idsIn(spool)).toEqual([texted(3).id])
})

describe('the bound', () => {
  const large = (number: number) => texted(number, undefined, 'x'.repeat(50_000))

  async function fill(spool: Spool): Promise<number> {
    for (let number = 0; ; number++) {
      const refusal = await spool.enqueue(ADA, large(number)).then(() => null, String)
      if (refusal !== null) {
        expect(refusal).toContain('the spool is full')
        return number
      }
    }
  }

  test('refuses what comes when so much is held, and holds about that much on the disk', async () => {
    const path = newPath()
    const spool = openSpool(path, 4 * MIB)
    const taken = await fill(spool)
    expect(spool.full).toBe(true)
    expect(() => spool.probe()).toThrow('the spool is full')
    expect(taken * 50_000).toBeGreaterThan(2 * MIB)
    expect(statSync(path).size).toBeLessThan(4.5 * MIB)
  })

  test('holds for what comes in one turn too', async () => {
    const spool = openSpool(newPath(), 4 * MIB)
    const outcomes = await Promise.allSettled(
      Array.from({ length: 400 }, (_, number) => spool.enqueue(ADA, large(number))),
    )
    const taken = outcomes.filter(({ status }) => status === 'fulfilled').length
    expect(spool.depth).toBe(taken)
    expect(spool.bytes).toBeLessThan(4.5 * MIB)
  })

  test('takes again what fits when some have gone', async () => {
    const spool = openSpool(newPath(), 4 * MIB)
    const taken = await fill(spool)
    spool.settle(spool.oldest(taken / 2), [])
    expect(spool.full).toBe(false)
    expect(spool.bytes).toBeLessThan(3 * MIB)
    await spool.enqueue(ADA, large(taken))
    spool.probe()
  })
})

test('a spool in which nothing waits any more gives its space back to the disk', async () => {
  const path = newPath()
  const spool = openSpool(path)
  const events = Array.from({ length: 100 }, (_, number) => texted(number, undefined, 'x'.repeat(50_000)))
  await Promise.all(events.map((event) => spool.enqueue(ADA, event)))
  await spool.enqueue(BOB, texted(100), 'store-refuses: too large')
  expect(spool.bytes).toBeGreaterThan(4 * MIB)
  while (spool.depth > 0) spool.settle(spool.oldest(40), [])
  expect(statSync(path).size).toBeLessThan(100_000)
  expect(statSync(`${path}-wal`).size).toBe(0)
  expect(spool.bytes).toBeLessThan(100_000)
  expect(spool.holds(BOB)).toBe(true)
})

test('a page is cut short where events are large', async () => {
  const spool = openSpool(newPath())
  const events = Array.from({ length: 120 }, (_, number) => texted(number, undefined, 'x'.repeat(200_000)))
  await Promise.all(events.map((event) => spool.enqueue(ADA, event)))
  const page = spool.oldest(120)
  expect(page.length).toBeGreaterThan(10)
  expect(page.length).toBeLessThan(60)
})

test('a file of a newer release is refused in one line', () => {
  const path = newPath()
  openSpool(path).close()
  changeDatabase(path, 'PRAGMA user_version = 99')
  expect(() => openSpool(path)).toThrow(`${path}: written by a newer release`)
})

test('a spool that has been closed refuses', async () => {
  const spool = openSpool(newPath())
  spool.close()
  await expect(spool.enqueue(ADA, texted(1))).rejects.toMatchObject({ code: 'store-unavailable' })
})
