import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StoreError } from '../../src/event-store/event-store.ts'
import { Spool } from '../../src/event-store/spool/spool.ts'
import { unspooled } from '../../src/event-store/spool/spooled-event.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { AWAY, FakeStore, Gate } from './gate.ts'
import { copyAsKilled, openSpooling, until } from './spool-doubles.ts'
import { streamOf, texted } from './texts.ts'

const ADA = streamOf('s_ada')
const BOB = streamOf('s_bob')
const SPOOLED = { outcome: 'spooled', revision: null, position: null }

function spooling(mostBytes?: number) {
  const inner = new FakeStore()
  const path = join(temporaryFolder(), 'spool.sqlite')
  const gate = new Gate(inner)
  const opened = openSpooling({ path, gate, ...(mostBytes === undefined ? {} : { mostBytes }) })
  /** The ids that wait in the spool. */
  const waiting = () => {
    copyAsKilled(path, `${path}.copy`)
    const copy = new Spool(`${path}.copy`, 2 ** 30)
    try {
      return copy.oldest(1000).map(({ event }) => unspooled(event).id)
    } finally {
      copy.close()
    }
  }
  return { ...opened, inner, path, waiting }
}

const ids = (...numbers: number[]) => numbers.map((number) => texted(number).id)
const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id)

describe('while the store is there', () => {
  test('an append is answered as the store answers it, and nothing is spooled', async () => {
    const { store, inner } = spooling()
    expect(await store.append(ADA, texted(1))).toMatchObject({ outcome: 'appended', revision: 0 })
    expect(await store.append(ADA, texted(1))).toMatchObject({ outcome: 'duplicate', revision: 0 })
    expect(idsOf(inner.events(ADA))).toEqual(ids(1))
    expect(store.state()).toMatchObject({ spooling: false, depth: 0, setAside: 0, reason: null })
    expect(store.holds(ADA)).toBe(false)
  })

  test('that it has too much to do is passed on', async () => {
    const { store, gate } = spooling()
    gate.weather = 'away'
    gate.error = new StoreError('store-overloaded', 'too many appends are under way')
    await expect(store.append(ADA, texted(1))).rejects.toBe(gate.error)
    expect(store.state().spooling).toBe(false)
  })

  test('a fault is passed on', async () => {
    const { store, gate } = spooling()
    gate.refuses = () => {
      throw new TypeError('a fault')
    }
    await expect(store.append(ADA, texted(1))).rejects.toThrow('a fault')
    expect(store.state().spooling).toBe(false)
  })
})

describe('when the store is away', () => {
  test.each([
    'store-unavailable',
    'store-misconfigured',
  ] as const)('as %s, appends are spooled', async (code) => {
    const { store, gate, waiting } = spooling()
    gate.weather = 'away'
    gate.error = new StoreError(code, 'nobody answers')
    expect(await store.append(ADA, texted(1))).toEqual(SPOOLED)
    expect(waiting()).toEqual(ids(1))
    expect(store.state()).toMatchObject({
      spooling: true,
      depth: 1,
      oldestReceivedAt: texted(1).receivedAt,
      reason: 'nobody answers',
    })
    expect([store.holds(ADA), store.holds(BOB)]).toEqual([true, false])
  })

  test('nobody waits for it any more once it has failed', async () => {
    const { store, gate, news } = spooling()
    gate.weather = 'away'
    await store.append(ADA, texted(1))
    for (let number = 2; number < 10; number++) await store.append(streamOf(`s_${number}`), texted(number))
    expect(gate.asked).toHaveLength(1)
    expect(news).toEqual([`away: ${AWAY.message}`])
  })

  test('events of one stream that failed together are spooled in their order', async () => {
    const { store, gate, waiting } = spooling()
    gate.weather = 'away'
    const numbers = Array.from({ length: 20 }, (_, number) => number)
    await Promise.all(numbers.map((number) => store.append(ADA, texted(number))))
    expect(waiting()).toEqual(ids(...numbers))
  })

  test('an event that comes while one before it is on its way into the spool goes behind it, though the store is back', async () => {
    const { store, gate, inner, drain } = spooling()
    gate.weather = 'away'
    const first = store.append(ADA, texted(1))
    await until(() => store.state().reason !== null)
    gate.weather = 'there'
    expect(store.state().depth).toBe(0)
    const second = store.append(ADA, texted(2))
    expect(await Promise.all([first, second])).toEqual([SPOOLED, SPOOLED])
    await drain()
    expect(idsOf(inner.events(ADA))).toEqual(ids(1, 2))
  })

  test('an event goes the way of those of its stream that are with the store, and comes into the spool behind them', async () => {
    const { store, gate, waiting } = spooling()
    gate.weather = 'silent'
    const first = store.append(ADA, texted(1))
    gate.weather = 'away'
    await store.append(BOB, texted(2))
    expect(store.state().reason).toBe(AWAY.message)
    gate.weather = 'silent'
    const third = store.append(ADA, texted(3))
    gate.kill()
    expect(await Promise.all([first, third])).toEqual([SPOOLED, SPOOLED])
    expect(waiting()).toEqual(ids(2, 1, 3))
  })

  test('a full spool refuses, and so does the probe', async () => {
    const { store, gate } = spooling(64 * 1024)
    gate.weather = 'away'
    const large = (number: number) => texted(number, undefined, 'x'.repeat(20_000))
    const outcomes = []
    for (let number = 0; number < 5; number++)
      outcomes.push(await store.append(ADA, large(number)).catch((error: unknown) => error))
    const full = { code: 'store-unavailable', message: 'the spool is full' }
    expect(outcomes.at(0)).toEqual(SPOOLED)
    expect(outcomes.at(-1)).toMatchObject(full)
    expect(store.state().full).toBe(true)
    await expect(store.probe()).rejects.toMatchObject(full)
  })
})

describe('the probe', () => {
  test('asks the store while it is there', async () => {
    const { store, gate } = spooling()
    await store.probe()
    expect(gate.probes).toBe(1)
    expect(store.state().spooling).toBe(false)
  })

  test('finds that the store is away, that deliveries can be kept all the same, and does not ask it again', async () => {
    const { store, gate, pauses } = spooling()
    gate.weather = 'away'
    await store.probe()
    await until(() => pauses.pending === 1)
    const asked = gate.probes
    await store.probe()
    expect(gate.probes).toBe(asked)
    expect(store.state()).toMatchObject({ spooling: true, depth: 0, reason: AWAY.message })
    expect(await store.append(ADA, texted(1))).toEqual(SPOOLED)
  })

  test('that the store has too much to do is passed on', async () => {
    const { store, gate } = spooling()
    gate.weather = 'away'
    gate.error = new StoreError('store-overloaded', 'too many appends are under way')
    await expect(store.probe()).rejects.toBe(gate.error)
  })
})

describe('an event that the store refuses for good', () => {
  test.each(['store-refuses', 'store-damaged'] as const)('as %s, is kept, and set aside', async (code) => {
    const { store, gate, notices, waiting } = spooling()
    gate.refuses = () => new StoreError(code, 'not this one')
    expect(await store.append(ADA, texted(1))).toEqual(SPOOLED)
    expect(notices).toEqual([{ stream: ADA, id: texted(1).id, reason: `${code}: not this one` }])
    expect(store.state()).toMatchObject({ spooling: false, depth: 0, setAside: 1, reason: null })
    expect(store.holds(ADA)).toBe(true)
    expect(waiting()).toEqual(ids(1))
  })

  test('holds up none of those that come later', async () => {
    const { store, gate, inner } = spooling()
    gate.refuses = (_, { id }) => (id === texted(1).id ? new StoreError('store-refuses', 'too large') : null)
    await store.append(ADA, texted(1))
    expect(await store.append(ADA, texted(2))).toMatchObject({ outcome: 'appended' })
    expect(idsOf(inner.events(ADA))).toEqual(ids(2))
  })
})

test('one that has been closed refuses', async () => {
  const { store } = spooling()
  await store.close()
  await expect(store.append(ADA, texted(1))).rejects.toMatchObject({ code: 'store-unavailable' })
})

test('closing waits for what is with the store, and keeps it where that fails', async () => {
  const { store, gate, waiting } = spooling()
  gate.weather = 'silent'
  const appended = store.append(ADA, texted(1))
  const closed = store.close()
  gate.kill()
  expect(await appended).toEqual(SPOOLED)
  await closed
  expect(waiting()).toEqual(ids(1))
})
