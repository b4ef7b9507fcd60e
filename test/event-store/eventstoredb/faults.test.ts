import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Appended, EventStore } from '../../../src/event-store/event-store.ts'
import { eventOf, StoreError } from '../../../src/event-store/event-store.ts'
import type { Position, StoredEvent } from '../../../src/ledger/event.ts'
import { streams } from '../../../src/ledger/event.ts'
import { allEvents, expectWholeChains } from '../../chains.ts'
import { message, placeBody, SHOP } from '../../ledger/deliveries.ts'
import type { EventStoreDouble, Fault } from './double/event-store-double.ts'
import { openStore, startDouble } from './stores.ts'

const EVENTS = 48
const STREAMS = 6

const eventOfNumber = (number: number) =>
  placeBody(message('2026-03-01T10:00:00.000000', { id: `im_${number}`, body: `Message ${number}` })).event
const streamOf = (number: number) => streams.subscriber(SHOP, `s_${number % STREAMS}`)

/** As the spool does: until the store has taken it. */
async function keep(store: EventStore, number: number): Promise<Appended> {
  for (;;) {
    try {
      return await store.append(streamOf(number), eventOfNumber(number))
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== 'store-unavailable') throw error
      await delay(5)
    }
  }
}

/** The same deliveries to each ledger at once, to each in an order of its own. */
async function deliverToAll(ledgers: readonly EventStore[]): Promise<Appended[]> {
  const numbers = Array.from({ length: EVENTS }, (_, number) => number)
  const answers = await Promise.all(
    ledgers.map((ledger, index) => {
      const order = numbers.toSorted((a, b) => ((a * 31 + index * 17) % 53) - ((b * 31 + index * 17) % 53))
      return Promise.all(order.map((number) => keep(ledger, number)))
    }),
  )
  return answers.flat()
}

async function expectEachOnce(log: EventStore): Promise<StoredEvent[]> {
  const events = await allEvents(log)
  expect(events).toHaveLength(EVENTS)
  expect(new Set(events.map(({ metadata }) => metadata.id)).size).toBe(EVENTS)
  expectWholeChains(events)
  return events
}

const whileAppending: Record<string, { fault: (double: EventStoreDouble) => Fault; times: number }> = {
  'stores and then cuts the connection': { fault: () => ({ name: 'store-then-drop' }), times: 3 },
  'cuts the connection before it stores': { fault: () => ({ name: 'drop-before-store' }), times: 3 },
  'stores and never answers': { fault: () => ({ name: 'store-never-answer' }), times: 4 },
  'never stores nor answers': { fault: () => ({ name: 'never-answer' }), times: 4 },
  'ends the call that the appends are on': { fault: () => ({ name: 'end-batch' }), times: 4 },
  'stores and says that it timed out': {
    fault: () => ({ name: 'timeout-error', stored: true }),
    times: 12,
  },
  'says that it timed out': { fault: () => ({ name: 'timeout-error' }), times: 12 },
  'is not the leader': {
    fault: ({ port }) => ({ name: 'not-leader', leader: { host: '127.0.0.1', port } }),
    times: 12,
  },
  'is too busy': { fault: () => ({ name: 'unavailable' }), times: 12 },
  'has just been started': { fault: () => ({ name: 'not-ready' }), times: 12 },
  'is slow': { fault: () => ({ name: 'slow', milliseconds: 20 }), times: 200 },
}

describe('three ledgers that write at once keep each event once, with whole chains, where the server', () => {
  test.each(Object.keys(whileAppending))('%s', async (what) => {
    const double = await startDouble()
    const ledgers = [1, 2, 3].map((number) => openStore(double.url, { writer: `folder-${number}` }))
    const { fault, times } = whileAppending[what] ?? { fault: () => ({ name: 'unavailable' }), times: 0 }
    await ledgers[0]?.id()
    double.misbehave(fault(double), times)
    const answers = await deliverToAll(ledgers)
    double.behave()

    const events = await expectEachOnce(openStore(double.url))
    // Whoever was answered was told the truth.
    const places = new Map(events.map(({ revision, position }) => [position, revision]))
    for (const { position, revision } of answers) expect(places.get(position)).toBe(revision)
    expect(answers.filter(({ outcome }) => outcome === 'appended').length).toBeLessThanOrEqual(EVENTS)
  })

  test('is killed and comes back, again and again', async () => {
    const double = await startDouble()
    const ledgers = [1, 2, 3].map((number) => openStore(double.url, { writer: `folder-${number}` }))
    const delivering = deliverToAll(ledgers)
    // There are at least as many appends as events.
    for (const enough of [5, 20, 40]) {
      await until(() => double.counts().batchAppends > enough)
      await double.restart()
    }
    await delivering
    await expectEachOnce(openStore(double.url))
  })
})

test('an append that was stored without an answer is not stored again, and is not called a duplicate', async () => {
  const double = await startDouble()
  const store = openStore(double.url)
  await store.append(streamOf(0), eventOfNumber(0))
  double.misbehave({ name: 'store-never-answer' }, 1)
  expect(await store.append(streamOf(0), eventOfNumber(STREAMS))).toMatchObject({
    outcome: 'appended',
    revision: 1,
  })
  expect(double.events(streamOf(0))).toHaveLength(2)
})

test('what another ledger has stored first is a duplicate, at the place where it stands', async () => {
  const double = await startDouble()
  const [first, second] = [openStore(double.url), openStore(double.url, { writer: 'folder-2' })]
  await second.append(streamOf(0), eventOfNumber(STREAMS))
  const stored = await first.append(streamOf(0), eventOfNumber(0))
  expect(await second.append(streamOf(0), eventOfNumber(0))).toEqual({ ...stored, outcome: 'duplicate' })
})

test('a server that is silent fails an append in time, and the next one works when it speaks again', async () => {
  const double = await startDouble()
  const store = openStore(double.url)
  await store.id()
  double.misbehave({ name: 'never-answer' })
  double.misbehave({ name: 'silent-reads' })
  await expect(store.append(streamOf(0), eventOfNumber(0))).rejects.toMatchObject({
    code: 'store-unavailable',
  })
  double.behave()
  expect(await keep(store, 0)).toMatchObject({ revision: 0 })
  expect(double.events(streamOf(0))).toHaveLength(1)
})

test('where one append fails, none behind it in its stream is stored before it', async () => {
  const double = await startDouble()
  const store = openStore(double.url)
  await keep(store, 0)
  await double.kill()
  const numbers = [1, 2, 3].map((time) => time * STREAMS)
  const settled: number[] = []
  await Promise.all(
    numbers.map((number) =>
      store.append(streamOf(number), eventOfNumber(number)).catch(() => settled.push(number)),
    ),
  )
  expect(settled).toEqual(numbers)
})

test('more than the store can take in time is refused at once', async () => {
  const double = await startDouble()
  const store = openStore(double.url)
  await store.id()
  double.misbehave({ name: 'never-answer' })
  const asked = Array.from({ length: 10_000 }, () => store.append(streamOf(0), eventOfNumber(0)))
  await expect(store.append(streamOf(0), eventOfNumber(0))).rejects.toMatchObject({
    code: 'store-overloaded',
  })
  await double.kill()
  await Promise.allSettled(asked)
})

test('credentials that are refused, and rights that are missing, are told from a store that is away', async () => {
  const double = await startDouble()
  const store = openStore(double.url)
  double.misbehave({ name: 'unauthenticated' }, 1)
  await expect(store.id()).rejects.toMatchObject({
    code: 'store-misconfigured',
    message: 'EventStoreDB refuses the user or the password',
  })
  double.misbehave({ name: 'access-denied' }, 1)
  await expect(store.id()).rejects.toMatchObject({ code: 'store-misconfigured' })
  await double.kill()
  await expect(store.id()).rejects.toMatchObject({ code: 'store-unavailable' })
})

describe('following the log, every event comes once and in order, where', () => {
  const whileFollowing: Record<string, (double: EventStoreDouble) => unknown> = {
    'the server ends the subscription': (double) => double.misbehave({ name: 'end-subscription' }),
    'the server drops a subscriber that is too slow': (double) =>
      double.misbehave({ name: 'consumer-too-slow' }),
    'the subscription goes silent': (double) => double.misbehave({ name: 'silent-subscription' }),
    'events come slowly': (double) => double.misbehave({ name: 'slow', milliseconds: 5 }, 100),
    'the server is killed and comes back': (double) => double.restart(),
  }
  test.each(Object.keys(whileFollowing))('%s', async (what) => {
    const double = await startDouble()
    const writer = openStore(double.url)
    const reader = openStore(double.url)
    const stop = new AbortController()
    const seen: StoredEvent[] = []
    const following = follow(reader, seen, EVENTS, stop.signal)
    for (let number = 0; number < EVENTS; number++) {
      if (number === EVENTS / 3) {
        await until(() => seen.length > 0)
        await whileFollowing[what]?.(double)
      }
      await keep(writer, number)
    }
    await following
    expect(seen.map(({ position }) => position)).toEqual(
      (await allEvents(writer)).map(({ position }) => position),
    )
  })
})

/** As the projector does, until so many events have come. */
async function follow(
  log: EventStore,
  seen: StoredEvent[],
  enough: number,
  signal: AbortSignal,
): Promise<void> {
  while (seen.length < enough) {
    const after: Position | null = seen.at(-1)?.position ?? null
    try {
      const head = await log.head()
      const page = head === null || head === after ? [] : await log.readAll(after, 7, head)
      seen.push(...page.map(eventOf))
      if (page.length === 0) await log.waitBehind(after, signal)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      await delay(5)
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(2)
}
