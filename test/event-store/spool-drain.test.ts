import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { StoreError } from '../../src/event-store/event-store.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { AWAY, FakeStore, Gate } from './gate.ts'
import { copyAsKilled, openSpooling, until } from './spool-doubles.ts'
import { streamOf, texted } from './texts.ts'

const ADA = streamOf('s_ada')
const BOB = streamOf('s_bob')

function spooling(inner = new FakeStore()) {
  const path = join(temporaryFolder(), 'spool.sqlite')
  return { ...openSpooling({ path, gate: new Gate(inner) }), inner, path }
}

const ids = (...numbers: number[]) => numbers.map((number) => texted(number).id)
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id)

test('nothing of an outage of two hours is lost, and each event bears when it came', async () => {
  const folder = temporaryFolder()
  const log = await SqliteEventStore.open({ path: join(folder, 'log.sqlite'), writer: 'folder-1' })
  onTestFinished(() => log.close())
  const gate = new Gate(log)
  const { store, pauses, drain } = openSpooling({ path: join(folder, 'spool.sqlite'), gate })
  const streams = Array.from({ length: 25 }, (_, number) => streamOf(`s_${number}`))
  const sent: { stream: string; id: string; receivedAt: string }[] = []
  gate.weather = 'away'
  for (let minute = 0; minute < 120; minute++) {
    const time = `2026-03-01T${10 + Math.floor(minute / 60)}:${String(minute % 60).padStart(2, '0')}:00`
    const events = streams.map((stream, at) => ({ stream, event: texted(minute * 25 + at, time) }))
    // As many subscribers a minute as there are, and now and then the store is asked whether it is back.
    await Promise.all(events.map(({ stream, event }) => store.append(stream, event)))
    pauses.elapse()
    sent.push(...events.map(({ stream, event: { id, receivedAt } }) => ({ stream, id, receivedAt })))
  }
  expect(store.state()).toMatchObject({ depth: 3_000, oldestReceivedAt: '2026-03-01T10:00:00.000000Z' })
  await drain()

  const stored = await allEvents(log)
  expectWholeChains(stored)
  const told = stored.map(({ stream, metadata: { id, receivedAt } }) => ({ stream, id, receivedAt }))
  for (const stream of streams)
    expect(told.filter((one) => one.stream === stream)).toEqual(sent.filter((one) => one.stream === stream))
  expect(told).toHaveLength(sent.length)
})

test('the store is asked again after 250 ms, then after twice as long each time, 10 s at most', async () => {
  const { store, gate, pauses } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  for (let asked = 1; asked <= 8; asked++) {
    await until(() => pauses.pending === 1 && pauses.asked.length === asked)
    pauses.elapse()
  }
  expect(pauses.asked.slice(0, 8)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('when the store is back, what waits is drained, and deliveries go to it again', async () => {
  const { store, gate, inner, news, drain } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  await drain()
  expect(news).toEqual([`away: ${AWAY.message}`, 'back'])
  expect(store.state()).toMatchObject({ spooling: false, depth: 0, oldestReceivedAt: null, reason: null })
  expect(store.holds(ADA)).toBe(false)
  expect(await store.append(ADA, texted(2))).toMatchObject({ outcome: 'appended', revision: 1 })
  expect(idsOf(inner.events(ADA))).toEqual(ids(1, 2))
})

test('with nothing to drain, it finds that the store is back all the same', async () => {
  const { store, gate, news, drain } = spooling()
  gate.weather = 'away'
  await store.probe()
  await drain()
  expect(news).toEqual([`away: ${AWAY.message}`, 'back'])
})

test('many streams are drained side by side, 64 at most, and each one event by event', async () => {
  const { store, gate, inner, pauses, drain } = spooling()
  gate.weather = 'away'
  const streams = Array.from({ length: 100 }, (_, number) => streamOf(`s_${number}`))
  for (let number = 0; number < 3; number++)
    await Promise.all(streams.map((stream) => store.append(stream, texted(number))))
  const before = gate.asked.length
  gate.mostInside = 0
  gate.weather = 'silent'
  await until(() => {
    pauses.elapse()
    return gate.inside.length === 64
  })
  expect(gate.asked.length - before).toBe(64)
  expect(new Set(gate.inside).size).toBe(64)
  await drain()
  expect(gate.mostInside).toBe(64)
  for (const stream of streams) expect(idsOf(inner.events(stream))).toEqual(ids(0, 1, 2))
})

test('what comes while its stream is drained goes behind what waits', async () => {
  const { store, gate, inner, pauses, drain } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  gate.weather = 'silent'
  await until(() => {
    pauses.elapse()
    return gate.inside.length === 1
  })
  expect(await store.append(ADA, texted(2))).toMatchObject({ outcome: 'spooled' })
  await drain()
  expect(idsOf(inner.events(ADA))).toEqual(ids(1, 2))
})

test('killed between append and delete, it appends again what is there already, and nothing is there twice', async () => {
  const { store, gate, inner, path, pauses } = spooling()
  gate.weather = 'away'
  for (const number of [1, 2]) await store.append(ADA, texted(number))
  gate.weather = 'silent'
  await until(() => {
    pauses.elapse()
    return inner.events(ADA).length === 1
  })
  copyAsKilled(path, `${path}.killed`)
  gate.kill()

  const next = openSpooling({ path: `${path}.killed`, gate: new Gate(inner) })
  expect(await next.store.append(ADA, texted(3))).toMatchObject({ outcome: 'spooled' })
  await next.drain()
  expect(idsOf(inner.events(ADA))).toEqual(ids(1, 2, 3))
})

test('closed in the middle, it waits for what is with the store, and the next start drains the rest', async () => {
  const { store, gate, inner, path, pauses } = spooling()
  gate.weather = 'away'
  for (const number of [1, 2, 3]) await store.append(ADA, texted(number))
  gate.weather = 'silent'
  await until(() => {
    pauses.elapse()
    return gate.inside.length === 1
  })
  const closed = store.close()
  gate.weather = 'there'
  await closed
  expect(idsOf(inner.events(ADA))).toEqual(ids(1))

  const next = openSpooling({ path, gate: new Gate(inner) })
  expect(next.store.state().depth).toBe(2)
  await next.drain()
  expect(idsOf(inner.events(ADA))).toEqual(ids(1, 2, 3))
})

test('closed in a pause, it does not wait for its end', async () => {
  const { store, gate, pauses } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  await until(() => pauses.pending === 1)
  await store.close()
  expect(pauses.pending).toBe(0)
})

test('a stream that cannot be appended to does not hold up the others for good', async () => {
  const { store, gate, inner, pauses } = spooling()
  gate.weather = 'away'
  for (let number = 0; number < 300; number++)
    await store.append(number % 3 === 0 ? ADA : streamOf(`s_${number}`), texted(number))
  gate.refuses = (stream) => (stream === ADA ? AWAY : null)
  gate.weather = 'there'
  await until(() => {
    pauses.elapse()
    return store.state().depth === 100
  })
  expect(inner.events(ADA)).toEqual([])
  expect(store.holds(ADA)).toBe(true)
  await store.append(BOB, texted(1000))
  await until(() => {
    pauses.elapse()
    return inner.events(BOB).length === 1
  })
})

test('while one stream cannot be appended to and others can, the store is not taken to be away', async () => {
  const { store, gate, inner, pauses, news } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  await store.append(BOB, texted(2))
  gate.refuses = (stream) => (stream === ADA ? AWAY : null)
  gate.weather = 'there'
  pauses.elapse()
  await until(() => store.state().depth === 1 && pauses.pending === 1)
  expect(idsOf(inner.events(BOB))).toEqual(ids(2))
  expect(news).toEqual([`away: ${AWAY.message}`, 'back'])
  expect(await store.append(BOB, texted(3))).toMatchObject({ outcome: 'appended' })
  expect(await store.append(ADA, texted(4))).toMatchObject({ outcome: 'spooled' })
})

test('a store with too much to do is asked again later, and not taken to be away', async () => {
  const { store, gate, inner, path } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  await store.close()
  const busy = new Gate(inner)
  busy.refuses = () => new StoreError('store-overloaded', 'too many appends are under way')
  const next = openSpooling({ path, gate: busy })
  await until(() => next.pauses.pending === 1)
  expect(next.news).toEqual([])
  busy.refuses = () => null
  await next.drain()
  expect(idsOf(inner.events(ADA))).toEqual(ids(1))
})

describe('an event that is refused for good', () => {
  const tooLarge = new StoreError('store-refuses', 'the event is too large')

  async function withOneSetAside() {
    const opened = spooling()
    const { store, gate, drain } = opened
    gate.weather = 'away'
    for (const number of [1, 2, 3]) await store.append(ADA, texted(number))
    gate.refuses = (_, { id }) => (id === texted(2).id ? tooLarge : null)
    await drain()
    return opened
  }

  test('is set aside with the reason, and those behind it go on', async () => {
    const { store, inner, notices } = await withOneSetAside()
    expect(idsOf(inner.events(ADA))).toEqual(ids(1, 3))
    expect(notices).toEqual([
      { stream: ADA, id: texted(2).id, reason: 'store-refuses: the event is too large' },
    ])
    expect(store.state()).toMatchObject({ spooling: false, depth: 0, setAside: 1 })
    expect(store.holds(ADA)).toBe(true)
  })

  test('is tried again at the next start', async () => {
    const { store, inner, path } = await withOneSetAside()
    await store.close()
    const next = openSpooling({ path, gate: new Gate(inner) })
    await next.drain()
    expect(idsOf(inner.events(ADA))).toEqual(ids(1, 3, 2))
    expect(next.store.state()).toMatchObject({ depth: 0, setAside: 0 })
    expect(next.store.holds(ADA)).toBe(false)
  })

  test('by a fault that is no word of the store, is set aside too, and the fault is not quoted', async () => {
    const { store, gate, notices, drain } = spooling()
    gate.weather = 'away'
    await store.append(ADA, texted(1))
    gate.refuses = () => {
      throw new TypeError('the text of +15551234567')
    }
    await drain()
    expect(notices).toEqual([{ stream: ADA, id: texted(1).id, reason: 'TypeError' }])
  })

  test('because it can no longer be read, is set aside and holds up nothing', async () => {
    const { store, gate, inner, path, notices, drain } = spooling()
    gate.weather = 'away'
    for (const number of [1, 2]) await store.append(ADA, texted(number))
    const db = new DatabaseSync(path)
    db.exec('UPDATE events SET event = substr(event, 2) WHERE seq = 1')
    db.close()
    await drain()
    expect(idsOf(inner.events(ADA))).toEqual(ids(2))
    expect(notices).toEqual([{ stream: ADA, id: null, reason: expect.stringContaining('cannot be read') }])
    expect(gate.asked.some(({ id }) => id === texted(2).id)).toBe(true)
  })
})

test('where what is drained cannot be deleted, it says so and tries again', async () => {
  const { store, gate, inner, path, pauses, drain } = spooling()
  gate.weather = 'away'
  await store.append(ADA, texted(1))
  const db = new DatabaseSync(path)
  onTestFinished(() => db.close())
  db.exec("CREATE TRIGGER stay BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'no room'); END")
  gate.weather = 'there'
  await until(() => {
    pauses.elapse()
    return store.state().reason === 'the spool cannot be written: no room'
  })
  expect(store.state()).toMatchObject({ spooling: true, depth: 1 })
  db.exec('DROP TRIGGER stay')
  await drain()
  expect(idsOf(inner.events(ADA))).toEqual(ids(1))
})
