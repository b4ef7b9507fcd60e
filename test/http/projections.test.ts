import { readdirSync } from 'node:fs'
import { get as httpGet } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
// What is injected never waits for anything, and would let nothing else happen.
import { setImmediate as otherWork } from 'node:timers/promises'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type * as z from 'zod'
import { projectionNames } from '../../projections/index.ts'
import {
  listOf,
  ProjectionDiff,
  ProjectionStatus,
  Subscriber,
  TimelineEntry,
} from '../../src/http/schemas.ts'
import { message, optIn, SHOP } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { CONFIG, key, ONE_SHOP_READER, OPERATOR, READER, type RunningApp, runApp } from './running-app.ts'

const soon = { timeout: 20_000, interval: 20 }
const NAME = 'subscriber-status'
const URL = `/v1/projections/${NAME}`

const ask = (ledger: RunningApp, method: 'POST' | 'DELETE', url: string, secret = OPERATOR) =>
  ledger.app.inject({ method, url, headers: { authorization: `Bearer ${secret}` } })

async function statusOf(ledger: RunningApp, name = NAME): Promise<z.infer<typeof ProjectionStatus>> {
  return ProjectionStatus.parse((await ledger.get(`/v1/projections/${name}`)).json())
}

async function live(ledger: RunningApp, generation: number, name = NAME): Promise<void> {
  await vi.waitFor(async () => {
    expect(await statusOf(ledger, name)).toMatchObject({ generation, state: 'live', rebuild: null })
  }, soon)
}

/** The files of a projection's generations, without those that SQLite keeps beside them. */
function generationFiles(ledger: RunningApp, name = NAME): string[] {
  return readdirSync(join(ledger.folder, 'projections', name)).filter((file) => file.endsWith('.sqlite'))
}

async function tell(ledger: RunningApp, count: number): Promise<string> {
  let position = ''
  for (let number = 0; number < count; number++) {
    const id = { subscriber_id: `s_${number % 10}` }
    position = (await ledger.record(message('2026-03-02T10:00:00', { ...id, id: `im_${number}` }))).position
  }
  return position
}

let ledger: RunningApp
beforeEach(async () => {
  ledger = await runApp()
})

describe('how a projection stands', () => {
  test('is told of each: which build is read, how far it is behind, what waits', async () => {
    const position = await tell(ledger, 3)
    await vi.waitFor(async () => {
      for (const name of projectionNames) expect((await statusOf(ledger, name)).lag?.events).toBe(0)
    }, soon)
    const { items } = listOf(ProjectionStatus).parse((await ledger.get('/v1/projections')).json())
    expect(items.map(({ name }) => name)).toEqual([...projectionNames])
    expect(items[0]).toMatchObject({
      name: NAME,
      generation: 1,
      position,
      lag: { events: 0, seconds: 0 },
      state: 'live',
      reason: null,
      rebuild: null,
      parked: 0,
    })
  })

  test('is told while the log is away, without a lag and with the reason', async () => {
    await tell(ledger, 3)
    await live(ledger, 1)
    ledger.outage.begin()
    expect(await statusOf(ledger)).toMatchObject({ generation: 1, lag: null })
  })

  test('of one that there is not is 404', async () => {
    expect(expectProblem(await ledger.get('/v1/projections/x'), 404, 'unknown-projection')).toContain(NAME)
    expectProblem(await ask(ledger, 'POST', '/v1/projections/x/rebuild'), 404, 'unknown-projection')
  })

  test('is not asked for with parameters that there are not', async () => {
    expectProblem(await ledger.get(`${URL}?x=1`), 400, 'bad-parameter')
    expectProblem(await ask(ledger, 'POST', `${URL}/rebuild?hold=maybe`), 400, 'bad-parameter')
  })
})

describe('rebuild', () => {
  test('answers 202 with where to look, is 409 while it runs, and leaves one file', async () => {
    await tell(ledger, 20)
    const answer = await ask(ledger, 'POST', `${URL}/rebuild`)
    expect(answer.statusCode).toBe(202)
    expect(answer.headers['location']).toBe(URL)
    expect(answer.json()).toMatchObject({ state: 'rebuilding', generation: 1, rebuild: { held: false } })
    expectProblem(await ask(ledger, 'POST', `${URL}/rebuild`), 409, 'rebuild-running')
    await live(ledger, 2)
    await vi.waitFor(() => expect(generationFiles(ledger)).toEqual(['000002.sqlite']), soon)
  })

  test('of all at once, and again, gives the same answers', async () => {
    const position = await tell(ledger, 20)
    const read = async () => (await ledger.read(`/subscribers?after=${position}`)).body
    const before = await read()
    for (const generation of [2, 3]) {
      const answers = await Promise.all(
        projectionNames.map((name) => ask(ledger, 'POST', `/v1/projections/${name}/rebuild`)),
      )
      expect(answers.map(({ statusCode }) => statusCode)).toEqual(projectionNames.map(() => 202))
      for (const name of projectionNames) await live(ledger, generation, name)
      expect(await read()).toBe(before)
    }
  })

  test('that is cancelled leaves nothing behind, and there is nothing to cancel then', async () => {
    await tell(ledger, 20)
    for (let turn = 0; turn < 5; turn++) {
      expect((await ask(ledger, 'POST', `${URL}/rebuild`)).statusCode).toBe(202)
      const cancelled = await ask(ledger, 'DELETE', `${URL}/rebuild`)
      expect(cancelled.statusCode).toBe(204)
      expect(await statusOf(ledger)).toMatchObject({ generation: 1, rebuild: null })
      expect(generationFiles(ledger)).toEqual(['000001.sqlite'])
      expectProblem(await ask(ledger, 'DELETE', `${URL}/rebuild`), 404, 'no-rebuild')
    }
  })

  test('that is held waits, keeps up meanwhile, and is read when it is switched to', async () => {
    await tell(ledger, 20)
    await live(ledger, 1)
    expectProblem(await ask(ledger, 'POST', `${URL}/switch`), 409, 'nothing-to-switch')
    await ask(ledger, 'POST', `${URL}/rebuild?hold=true`)
    await vi.waitFor(() => expect(generationFiles(ledger)).toEqual(['000001.sqlite', '000002.sqlite']), soon)
    const { position } = await ledger.record(optIn('2026-03-05T10:00:00', { subscriber_id: 's_new' }))
    expect((await ledger.read(`/subscribers/s_new?after=${position}`)).statusCode).toBe(200)
    expect(await statusOf(ledger)).toMatchObject({
      generation: 1,
      state: 'rebuilding',
      rebuild: { held: true },
    })

    await vi.waitFor(async () => {
      const switched = await ask(ledger, 'POST', `${URL}/switch`)
      expect(switched.statusCode).toBe(200)
    }, soon)
    expect(await statusOf(ledger)).toMatchObject({ generation: 2, state: 'live', rebuild: null })
    expect((await ledger.read(`/subscribers/s_new?after=${position}`)).statusCode).toBe(200)
    await vi.waitFor(() => expect(generationFiles(ledger)).toEqual(['000002.sqlite']), soon)
  })

  test('that is held can be cancelled', async () => {
    await tell(ledger, 20)
    await ask(ledger, 'POST', `${URL}/rebuild?hold=true`)
    await vi.waitFor(() => expect(generationFiles(ledger)).toEqual(['000001.sqlite', '000002.sqlite']), soon)
    expect((await ask(ledger, 'DELETE', `${URL}/rebuild`)).statusCode).toBe(204)
    expect(generationFiles(ledger)).toEqual(['000001.sqlite'])
    expect(await statusOf(ledger)).toMatchObject({ generation: 1, rebuild: null })
  })

  test('is seen by no reader: no gap, no step back, no half of a page, while events keep coming', async () => {
    await tell(ledger, 400)
    let stop = false
    /** Until one of them is through, or fails. */
    const together = (...loops: (() => Promise<void>)[]) =>
      Promise.all(
        loops.map((loop) =>
          loop().finally(() => {
            stop = true
          }),
        ),
      )
    let recorded = 0
    const ingest = async () => {
      for (; !stop; recorded++) {
        const id = { subscriber_id: `s_late_${String(recorded).padStart(6, '0')}`, id: `im_late_${recorded}` }
        await ledger.record(message('2026-03-03T10:00:00', id))
      }
    }
    let pages = 0
    const readAll = async () => {
      while (!stop) {
        const seen: string[] = []
        let last = ''
        for (let cursor: string | null = ''; cursor !== null; pages++) {
          await otherWork()
          const answer = await ledger.read(`/subscribers?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
          expect(answer.statusCode, answer.body).toBe(200)
          const position = String(answer.headers['ledger-position'])
          expect(position >= last, 'the position went back').toBe(true)
          last = position
          const { items, next } = listOf(Subscriber).parse(answer.json())
          if (next !== null) expect(items).toHaveLength(3)
          seen.push(...items.map(({ subscriberId }) => subscriberId))
          // Those who keep coming would never let a walk end.
          cursor = seen.length > 40 ? null : next
        }
        const known = Array.from({ length: 10 }, (_, number) => `s_${number}`)
        expect(seen.slice(0, 10)).toEqual(known)
        expect(seen).toEqual([...new Set(seen)].toSorted())
      }
    }
    const readTimeline = async () => {
      while (!stop) {
        const seen: string[] = []
        for (let cursor: string | null = ''; cursor !== null; pages++) {
          await otherWork()
          const answer = await ledger.read(
            `/subscribers/s_3/timeline?limit=7${cursor === '' ? '' : `&cursor=${cursor}`}`,
          )
          const { items, next } = listOf(TimelineEntry).parse(answer.json())
          seen.push(...items.map(({ eventId }) => eventId))
          cursor = next
        }
        expect(new Set(seen).size).toBe(40)
        expect(seen).toHaveLength(40)
      }
    }
    const readOwnWrites = async () => {
      for (let number = 0; !stop; number++) {
        const id = { subscriber_id: 's_own', id: `im_own_${number}` }
        const { position } = await ledger.record(message('2026-03-04T10:00:00', id))
        const answer = await ledger.read(`/subscribers/s_own?after=${position}`)
        expect(Subscriber.parse(answer.json()).messages.received).toBe(number + 1)
      }
    }
    const rebuild = async () => {
      for (const generation of [2, 3, 4]) {
        for (const name of [NAME, 'message-timeline'])
          expect((await ask(ledger, 'POST', `/v1/projections/${name}/rebuild`)).statusCode).toBe(202)
        for (const name of [NAME, 'message-timeline'])
          await vi.waitFor(
            async () => expect(await statusOf(ledger, name)).toMatchObject({ generation, rebuild: null }),
            soon,
          )
      }
    }
    await together(ingest, readAll, readTimeline, readOwnWrites, rebuild)
    expect(pages).toBeGreaterThan(50)
    expect(recorded).toBeGreaterThan(50)
  })
})

describe('progress', () => {
  test('is told as server-sent events until the projection is live', async () => {
    await tell(ledger, 20)
    await live(ledger, 1)
    await ask(ledger, 'POST', `${URL}/rebuild`)
    const answer = await ledger.get(`${URL}/progress`)
    expect(answer.headers['content-type']).toBe('text/event-stream')
    const events = eventsIn(answer.body)
    expect(events[0]).toMatchObject({ generation: 1, state: 'rebuilding' })
    expect(events.at(-1)).toMatchObject({ generation: 2, state: 'live', rebuild: null })
    expect(events.filter(({ state }) => state === 'live')).toHaveLength(1)
  })

  test('where nothing is rebuilt is one event', async () => {
    await live(ledger, 1)
    expect(eventsIn((await ledger.get(`${URL}/progress`)).body)).toMatchObject([{ state: 'live' }])
  })

  test('that is still told does not hold up the end of the ledger', async () => {
    await tell(ledger, 20)
    await ask(ledger, 'POST', `${URL}/rebuild?hold=true`)
    const port = await ledger.listen()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    httpGet(
      `http://127.0.0.1:${port}${URL}/progress`,
      { headers: { authorization: `Bearer ${READER}` } },
      (response) => {
        response.on('data', begin).on('close', end).on('error', end)
      },
    )
    await begun
    await ledger.close()
    await ended
  })

  function eventsIn(body: string) {
    return body
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => ProjectionStatus.parse(JSON.parse(event.replace(/^data: /, ''))))
  }
})

describe('who may', () => {
  const looks = ['', `/${NAME}`, `/${NAME}/progress`]
  const operations = [
    ['POST', `/${NAME}/rebuild`],
    ['DELETE', `/${NAME}/rebuild`],
    ['POST', `/${NAME}/switch`],
    ['POST', `/${NAME}/parked/retry`],
  ] as const

  test('look: who may read or operate', async () => {
    await live(ledger, 1)
    for (const path of looks) {
      for (const secret of [READER, OPERATOR, ONE_SHOP_READER])
        expect((await ledger.get(`/v1/projections${path}`, secret)).statusCode).toBe(200)
      expectProblem(await ledger.get(`/v1/projections${path}`, null), 401, 'unauthorized')
    }
  })

  test('rebuild, cancel, switch and retry: who may operate', async () => {
    for (const [method, path] of operations) {
      const url = `/v1/projections${path}`
      expectProblem(await ask(ledger, method, url, READER), 403, 'forbidden')
      expectProblem(await ask(ledger, method, url, 'lk_nobody'), 401, 'unauthorized')
      expect([200, 202, 204, 404, 409]).toContain((await ask(ledger, method, url)).statusCode)
    }
  })

  test('see who waits: who may operate, for every shop', async () => {
    const oneShop = 'lk_operates_one_shop'
    const apiKeys = [...CONFIG.apiKeys, key('one shop', oneShop, ['operate'], [SHOP])]
    const other = await runApp({ config: { ...CONFIG, apiKeys } })
    expect((await other.get(`${URL}/parked`, OPERATOR)).json()).toEqual({ items: [], next: null })
    expectProblem(await other.get(`${URL}/parked`, READER), 403, 'forbidden')
    expectProblem(await other.get(`${URL}/parked`, oneShop), 403, 'forbidden')
  })
})

describe('what a rebuild would change', () => {
  const held = async () => {
    await tell(ledger, 30)
    expect((await ask(ledger, 'POST', `${URL}/rebuild?hold=true`)).statusCode).toBe(202)
    await vi.waitFor(async () => {
      expect((await ledger.get(`${URL}/diff`, OPERATOR)).statusCode).toBe(200)
    }, soon)
  }
  const diff = async () => ProjectionDiff.parse((await ledger.get(`${URL}/diff`, OPERATOR)).json())

  test('is nothing where the fold is the same', async () => {
    await held()
    expect(await diff()).toMatchObject({
      counts: { subjects: 10, changed: 0, added: 0, removed: 0 },
      changes: [],
    })
  })

  test('is shown before and after, of just those whom it concerns', async () => {
    await held()
    // As a fold that reads two of them otherwise would have left it.
    const db = new DatabaseSync(join(ledger.folder, 'projections', NAME, generationFiles(ledger)[0] ?? ''))
    db.exec("UPDATE subscriber SET status = 'subscribed' WHERE subscriber_id IN ('s_3', 's_7')")
    db.close()
    const { counts, changes } = await diff()
    expect(counts).toEqual({ subjects: 10, changed: 2, added: 0, removed: 0 })
    expect(changes).toMatchObject([
      { shopId: SHOP, subscriberId: 's_3', before: { status: 'subscribed' }, after: { status: 'unknown' } },
      { shopId: SHOP, subscriberId: 's_7', before: { status: 'subscribed' }, after: { status: 'unknown' } },
    ])
  })

  test('cannot be asked where nothing is held, nor by who may not see all shops', async () => {
    expectProblem(await ledger.get(`${URL}/diff`, OPERATOR), 409, 'nothing-to-compare')
    expectProblem(await ledger.get(`${URL}/diff`, READER), 403, 'forbidden')
  })
})

describe('the digest of the rows', () => {
  const digestAt = async (position: string) => {
    await vi.waitFor(async () => expect((await statusOf(ledger)).digest).toMatchObject({ position }), soon)
    return (await statusOf(ledger)).digest?.sha256
  }

  test('is the same after a rebuild, and another one after the next event', async () => {
    const position = await tell(ledger, 20)
    const before = await digestAt(position)
    expect((await ask(ledger, 'POST', `${URL}/rebuild`)).statusCode).toBe(202)
    await live(ledger, 2)
    expect(await digestAt(position)).toBe(before)
    expect(await digestAt((await ledger.record(optIn('2026-03-01T10:00:00'))).position)).not.toBe(before)
  })
})
