import { describe, expect, test } from 'vitest'
import { StoreError } from '../../src/event-store/event-store.ts'
import { listOf, Recorded, StoredEventItem, Subscriber } from '../../src/http/schemas.ts'
import { streams } from '../../src/ledger/event.ts'
import { instant, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { OPERATOR, type RunningApp, runApp } from './running-app.ts'

const ADA = { subscriber_id: 's_ada' }
const BOB = { subscriber_id: 's_bob' }
const TEN = '2026-03-01T10:00:00'

/** A ledger with a spool, at ten o'clock until the test says otherwise. */
async function spoolingApp({ mostBytes = 2 ** 30 } = {}) {
  const time = { now: instant(TEN) }
  return { time, ledger: await runApp({ clock: () => time.now, spool: { mostBytes } }) }
}

async function metricsOf(ledger: RunningApp): Promise<Map<string, number>> {
  const answer = await ledger.get('/metrics', OPERATOR)
  expect(answer.statusCode).toBe(200)
  const lines = answer.body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))]))
}

const readiness = async (ledger: RunningApp) => {
  const answer = await ledger.get('/readyz', null)
  return { code: answer.statusCode, ...answer.json() }
}

describe('a delivery that comes during an outage', () => {
  test('is answered 200, as spooled, with no place yet', async () => {
    const { ledger } = await spoolingApp()
    ledger.outage.begin()
    const answer = await ledger.post(optIn(TEN, ADA))
    expect(answer.statusCode).toBe(200)
    expect(Recorded.parse(answer.json())).toEqual({
      result: 'spooled',
      stream: streams.subscriber(SHOP, 's_ada'),
      revision: null,
      position: null,
    })
  })

  test('is in the log when the store is back, in its order, with the time at which it came', async () => {
    const { ledger, time } = await spoolingApp()
    await ledger.record(optIn(TEN, ADA))
    ledger.outage.begin()
    const deliveries = [optOut('2026-03-01T11:00:00', ADA), message('2026-03-01T12:00:00', ADA)]
    for (const [index, body] of deliveries.entries()) {
      time.now = instant(`2026-03-01T1${index + 1}:00:01`)
      expect((await ledger.post(body)).json()).toMatchObject({ result: 'spooled' })
    }
    time.now = instant('2026-03-01T12:30:00')
    await ledger.outage.end()
    expect(await ledger.record(optIn('2026-03-01T12:30:00', ADA))).toMatchObject({
      result: 'recorded',
      revision: 3,
    })
    const events = listOf(StoredEventItem).parse(
      (await ledger.read('/subscribers/s_ada/events')).json(),
    ).items
    expect(events.map(({ data }) => data)).toMatchObject([{}, deliveries[0], deliveries[1], {}])
    expect(events.map(({ metadata }) => metadata)).toMatchObject([
      { receivedAt: '2026-03-01T10:00:00.000000Z' },
      { receivedAt: '2026-03-01T11:00:01.000000Z' },
      { receivedAt: '2026-03-01T12:00:01.000000Z' },
      { receivedAt: '2026-03-01T12:30:00.000000Z' },
    ])
  })

  test('leaves a refused signature refused', async () => {
    const { ledger } = await spoolingApp()
    ledger.outage.begin()
    expectProblem(await ledger.post(optIn(TEN, ADA), {}), 401, 'signature-refused')
  })

  test('is 503 when the spool is full, and readyz is so too', async () => {
    const { ledger } = await spoolingApp({ mostBytes: 30_000 })
    ledger.outage.begin()
    let answer = await ledger.post(message(TEN, { id: 'im_0', body: 'x'.repeat(10_000) }))
    expect(answer.statusCode).toBe(200)
    for (let number = 1; number < 5; number++)
      answer = await ledger.post(message(TEN, { id: `im_${number}`, body: 'x'.repeat(10_000) }))
    expectProblem(answer, 503, 'store-unavailable')
    expect(answer.json()).toMatchObject({ detail: 'the spool is full' })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    const { code, status, problems } = await readiness(ledger)
    expect({ code, status }).toEqual({ code: 503, status: 'unavailable' })
    expect(problems).toEqual([
      'the spool is full',
      'the store cannot be reached',
      expect.stringMatching(/^deliveries that wait in the spool: \d$/),
    ])
  })
})

describe('readyz', () => {
  test('is 200 and says that it spools, why, and how many wait', async () => {
    const { ledger } = await spoolingApp()
    ledger.outage.begin()
    expect(await readiness(ledger)).toEqual({
      code: 200,
      status: 'spooling',
      problems: ['the store cannot be reached'],
    })
    await ledger.post(optIn(TEN, ADA))
    await ledger.post(optIn(TEN, BOB))
    expect(await readiness(ledger)).toEqual({
      code: 200,
      status: 'spooling',
      problems: ['the store cannot be reached', 'deliveries that wait in the spool: 2'],
    })
    await ledger.outage.end()
    expect(await readiness(ledger)).toEqual({ code: 200, status: 'ready', problems: [] })
  })

  test('names what was set aside, while it is ready', async () => {
    const { ledger } = await spoolingApp()
    ledger.gate.refuses = () => new StoreError('store-refuses', 'the event is too large')
    expect((await ledger.post(optIn(TEN, ADA))).json()).toMatchObject({ result: 'spooled' })
    expect(await readiness(ledger)).toEqual({
      code: 200,
      status: 'ready',
      problems: ['deliveries set aside because the event store refuses them: 1'],
    })
  })
})

describe('a subscriber', () => {
  async function incompleteOf({ read }: RunningApp): Promise<Record<string, boolean>> {
    const list = listOf(Subscriber).parse((await read('/subscribers')).json()).items
    for (const item of list)
      expect((await read(`/subscribers/${item.subscriberId}`)).json()).toMatchObject({
        incomplete: item.incomplete,
      })
    return Object.fromEntries(list.map(({ subscriberId, incomplete }) => [subscriberId, incomplete]))
  }

  test('is incomplete while something of theirs is spooled, and whole when it is drained', async () => {
    const { ledger } = await spoolingApp()
    await ledger.record(optIn(TEN, ADA))
    const { position } = await ledger.record(optIn(TEN, BOB))
    await ledger.read(`/subscribers?after=${position}`)
    expect(await incompleteOf(ledger)).toEqual({ s_ada: false, s_bob: false })
    ledger.outage.begin()
    await ledger.post(optOut('2026-03-01T11:00:00', ADA))
    expect(await incompleteOf(ledger)).toEqual({ s_ada: true, s_bob: false })
    await ledger.outage.end()
    expect(await incompleteOf(ledger)).toEqual({ s_ada: false, s_bob: false })
    await ledger.read(`/subscribers?after=${await ledger.store.head()}`)
    expect((await ledger.read('/subscribers/s_ada')).json()).toMatchObject({ status: 'unsubscribed' })
  })

  test('stays incomplete of whom something was set aside', async () => {
    const { ledger } = await spoolingApp()
    const { position } = await ledger.record(optIn(TEN, ADA))
    ledger.gate.refuses = () => new StoreError('store-refuses', 'the event is too large')
    await ledger.post(optOut('2026-03-01T11:00:00', ADA))
    await ledger.read(`/subscribers?after=${position}`)
    expect(await incompleteOf(ledger)).toEqual({ s_ada: true })
  })

  test('is still read from projections during an outage, and not from streams', async () => {
    const { ledger } = await spoolingApp()
    const { position } = await ledger.record(optIn(TEN, ADA))
    await ledger.read(`/subscribers?after=${position}`)
    ledger.outage.begin()
    for (const path of ['/subscribers', '/subscribers/s_ada', '/subscribers/s_ada/timeline'])
      expect((await ledger.read(path)).statusCode).toBe(200)
    for (const path of [
      '/subscribers/s_ada/consent',
      '/subscribers/s_ada/consent/history',
      '/subscribers/s_ada/events',
    ])
      expectProblem(await ledger.read(path), 503, 'store-unavailable')
  })
})

describe('metrics', () => {
  test('tell how much waits and since when, and nothing when it is drained', async () => {
    const { ledger, time } = await spoolingApp()
    const spoolOf = async () => {
      const metrics = await metricsOf(ledger)
      return ['depth', 'oldest_seconds', 'set_aside'].map((name) => metrics.get(`ledger_spool_${name}`))
    }
    expect(await spoolOf()).toEqual([0, 0, 0])
    ledger.outage.begin()
    await ledger.post(optIn(TEN, ADA))
    time.now = instant('2026-03-01T10:30:00')
    await ledger.post(optIn(TEN, BOB))
    time.now = instant('2026-03-01T12:00:00')
    expect(await spoolOf()).toEqual([2, 7200, 0])
    const during = await metricsOf(ledger)
    expect(during.get('ledger_deliveries_total{result="spooled"}')).toBe(2)
    expect(during.get('ledger_spool_bytes')).toBeGreaterThan(0)
    await ledger.outage.end()
    expect(await spoolOf()).toEqual([0, 0, 0])
  })

  test('count what was set aside', async () => {
    const { ledger } = await spoolingApp()
    ledger.gate.refuses = () => new StoreError('store-refuses', 'the event is too large')
    await ledger.post(optIn(TEN, ADA))
    expect((await metricsOf(ledger)).get('ledger_spool_set_aside')).toBe(1)
  })

  test('say nothing of a spool where there is none', async () => {
    const metrics = await metricsOf(await runApp())
    expect([...metrics.keys()].filter((name) => name.startsWith('ledger_spool'))).toEqual([])
  })

  test('are there during an outage, but for how far the projections are behind', async () => {
    const { ledger } = await spoolingApp()
    const lag = 'ledger_projection_lag_events{projection="unplaced"}'
    const parked = 'ledger_projection_parked{projection="unplaced"}'
    expect((await metricsOf(ledger)).get(lag)).toBe(0)
    ledger.outage.begin()
    const during = await metricsOf(ledger)
    expect([...during.keys()].filter((name) => name.startsWith('ledger_projection_lag'))).toEqual([])
    expect(during.get(parked)).toBe(0)
    await ledger.outage.end()
    expect((await metricsOf(ledger)).get(lag)).toBe(0)
  })
})
