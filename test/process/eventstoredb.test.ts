import { randomUUID } from 'node:crypto'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { EventStoreDbLog } from '../../src/event-store/eventstoredb/eventstoredb-log.ts'
import { Recorded } from '../../src/http/schemas.ts'
import { parseStreamName, type StoredEvent } from '../../src/ledger/event.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { realServer } from '../event-store/eventstoredb/real-server.ts'
import { startDouble } from '../event-store/eventstoredb/stores.ts'
import { message } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, LedgerProcess } from './ledger-process.ts'

const AT_ONCE = 32

interface Server {
  readonly url: string
  /** Ends it at once, with all connections; null where that is not in the hands of the test. */
  readonly kill: (() => Promise<void>) | null
  readonly restart: () => Promise<void>
}

const server = await realServer()
afterAll(() => server?.stop())

describe('the double of EventStoreDB', () => {
  suite(async () => {
    const double = await startDouble()
    return { url: double.url, kill: () => double.kill(), restart: () => double.restart() }
  })
})

if (server !== null)
  describe('a real EventStoreDB', () => {
    suite(async () => ({ url: server.url, kill: null, restart: async () => {} }))
  })

function suite(start: () => Promise<Server>): void {
  test('killed under load five times over, the ledger has every event that it acknowledged, once', async () => {
    const { url } = await start()
    const shop = newShop()
    const folder = folderOf(shop)
    const bodies = bodiesOf(shop, 100_000)
    const kept = new Map<string, string>()
    const open: number[] = []
    let sent = 0

    for (let kill = 0; kill < 5; kill++) {
      const ledger = await startLedger(folder, url)
      const enough = kept.size + 30 + Math.floor(Math.random() * 200)
      const again = open.splice(0)
      let killed = false
      const send = async (): Promise<void> => {
        while (!killed) {
          const number = again.pop() ?? sent++
          const answer = await ledger.post(bodies(number)).catch(() => null)
          if (answer === null) {
            open.push(number)
            return
          }
          expect(answer.status, answer.body).toBe(200)
          const { stream, revision } = Recorded.parse(JSON.parse(answer.body))
          kept.set(`im_${number}`, `${stream} ${revision}`)
          if (kept.size >= enough && !killed) {
            killed = true
            ledger.child.kill('SIGKILL')
          }
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, send))
      open.push(...again)
      await ledger.exited
    }
    const last = await startLedger(folder, url)
    for (const number of open) expect((await last.post(bodies(number))).status).toBe(200)
    await drained(last)
    expect(await last.stop()).toBe(0)

    const events = await eventsOf(url, shop)
    expect(placesOf(events).size).toBe(sent)
    const places = placesOf(events)
    // Spooled ones were told no place.
    const lost = [...kept].filter(([id, place]) => !place.endsWith('null') && places.get(id) !== place)
    expect(lost).toEqual([])
  })

  test('two ledgers that are sent the same at once, in other orders, answer alike to the byte', async () => {
    const { url, restart } = await start()
    const shop = newShop()
    const bodies = bodiesOf(shop, 25)
    const count = 2_000
    const ledgers = await Promise.all([startLedger(folderOf(shop), url), startLedger(folderOf(shop), url)])
    let answered = 0
    await Promise.all(
      ledgers.map(async (ledger, index) => {
        const order = shuffled(count, index)
        const send = async (): Promise<void> => {
          for (let number = order.pop(); number !== undefined; number = order.pop()) {
            expect((await ledger.post(bodies(number))).status).toBe(200)
            answered++
            if (answered === count) await restart()
          }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, send))
      }),
    )
    for (const ledger of ledgers) await drained(ledger)

    const events = await eventsOf(url, shop)
    expect(placesOf(events).size).toBe(count)
    const position = events.at(-1)?.position
    const answers = await Promise.all(
      ledgers.map(async (ledger) => {
        const shopUrl = `/v1/shops/${shop}`
        const paths = [
          `${shopUrl}/subscribers?limit=200&after=${position}`,
          ...Array.from({ length: 25 }, (_, number) => `${shopUrl}/subscribers/s_${number}`).flatMap(
            (one) => [
              `${one}/consent`,
              `${one}/consent/history`,
              `${one}/events?limit=200`,
              `${one}/timeline?limit=200&after=${position}`,
            ],
          ),
        ]
        const read = await Promise.all(paths.map((path) => ledger.get(path)))
        expect(read.map(({ status }) => status)).toEqual(paths.map(() => 200))
        return read.map(({ body }) => body)
      }),
    )
    expect(answers[0]).toEqual(answers[1])
  })

  test('what is answered while the store is gone is in it afterwards, once and in order', async ({
    skip,
  }) => {
    const { url, kill, restart } = await start()
    if (kill === null) skip('a server that is not ours to kill')
    const shop = newShop()
    const subscribers = 16
    const bodies = bodiesOf(shop, subscribers)
    const ledger = await startLedger(folderOf(shop), url)
    /** The numbers of each subscriber's messages, in the order of their answers. */
    const answered: number[][] = Array.from({ length: subscribers }, () => [])
    let over = false
    const total = () => answered.flat().length
    const send = async (subscriber: number): Promise<void> => {
      for (let number = subscriber; !over; number += subscribers) {
        const { status, body } = await ledger.post(bodies(number))
        expect(status, body).toBe(200)
        answered[subscriber]?.push(number)
      }
    }
    const sending = Promise.all(answered.map((_, subscriber) => send(subscriber)))
    await vi.waitFor(() => expect(total()).toBeGreaterThan(200), { timeout: 30_000 })
    const one = `/v1/shops/${shop}/subscribers/s_0`
    await vi.waitFor(async () => expect((await ledger.get(one)).status).toBe(200), { timeout: 30_000 })
    await kill?.()
    await vi.waitFor(async () => expect((await ledger.get('/readyz')).body).toContain('"spooling"'), {
      timeout: 30_000,
    })
    const away = total()
    await vi.waitFor(() => expect(total()).toBeGreaterThan(away + 500), { timeout: 30_000 })
    expect(JSON.parse((await ledger.get(one)).body)).toMatchObject({ incomplete: true })
    expect((await ledger.get(`${one}/consent`)).status).toBe(503)
    expect((await ledger.get('/readyz')).status).toBe(200)
    await restart()
    const back = total()
    await vi.waitFor(() => expect(total()).toBeGreaterThan(back + 200), { timeout: 30_000 })
    over = true
    await sending
    await drained(ledger)

    const events = await eventsOf(url, shop)
    for (const [subscriber, numbers] of answered.entries()) {
      const own = events.filter(({ stream }) => stream.endsWith(`.s_${subscriber}`))
      expect(own.map(({ data }) => messageIdOf(data))).toEqual(numbers.map((number) => `im_${number}`))
      const received = own.map(({ metadata }) => metadata.receivedAt)
      expect(received).toEqual(received.toSorted())
    }
    await vi.waitFor(
      async () =>
        expect(JSON.parse((await ledger.get(`${one}?after=${events.at(-1)?.position}`)).body)).toMatchObject({
          incomplete: false,
        }),
      { timeout: 30_000 },
    )
  })

  test('started while the store is gone, it serves what it has projected, spools, and says so', async ({
    skip,
  }) => {
    const { url, kill, restart } = await start()
    if (kill === null) skip('a server that is not ours to kill')
    const shop = newShop()
    const folder = folderOf(shop)
    const bodies = bodiesOf(shop, 1)
    const one = `/v1/shops/${shop}/subscribers/s_0`
    const before = await startLedger(folder, url)
    const { position } = Recorded.parse(JSON.parse((await before.post(bodies(0))).body))
    await vi.waitFor(async () => expect((await before.get(`${one}?after=${position}`)).status).toBe(200))
    await before.stop()
    await kill?.()

    const ledger = await startLedger(folder, url)
    expect(ledger.out).toContain('starting without the event store')
    expect(JSON.parse((await ledger.post(bodies(1))).body)).toMatchObject({ result: 'spooled' })
    expect(JSON.parse((await ledger.get(one)).body)).toMatchObject({
      messages: { received: 1 },
      incomplete: true,
    })
    expect(await ledger.get('/readyz')).toMatchObject({
      status: 200,
      body: expect.stringContaining('spooling'),
    })
    await restart()
    await drained(ledger)
    expect((await eventsOf(url, shop)).map(({ revision }) => revision)).toEqual([0, 1])
  })
}

function newShop(): string {
  return `shop_${randomUUID().slice(0, 8)}`
}

function folderOf(shop: string): string {
  const folder = temporaryFolder()
  configure(folder, shop)
  return folder
}

function startLedger(folder: string, url: string): Promise<LedgerProcess> {
  return LedgerProcess.run(folder, { EVENTSTOREDB_URL: url }).listening()
}

/** Messages of so many subscribers in turn, few so that their streams are long. */
function bodiesOf(shop: string, subscribers: number) {
  return (number: number) => ({
    ...message('2026-03-01T10:00:00.000000', {
      id: `im_${number}`,
      subscriber_id: `s_${number % Math.min(subscribers, 25)}`,
      shop_id: shop,
    }),
    resource_id: shop,
  })
}

async function drained(ledger: LedgerProcess): Promise<void> {
  await vi.waitFor(async () => expect((await ledger.get('/readyz')).body).toContain('"ready"'), {
    timeout: 40_000,
    interval: 100,
  })
}

/** What the server holds of a shop, with whole chains. */
async function eventsOf(url: string, shop: string): Promise<StoredEvent[]> {
  const log = new EventStoreDbLog({ url })
  try {
    const events = (await allEvents(log)).filter(({ stream }) => parseStreamName(stream)?.shopId === shop)
    expectWholeChains(events)
    return events
  } finally {
    await log.close()
  }
}

/** Where each message stands; each stands once. */
function placesOf(events: readonly StoredEvent[]): Map<string, string> {
  const places = new Map<string, string>()
  for (const { stream, revision, data } of events) {
    const id = messageIdOf(data)
    expect(places.has(id), `${id} is there twice`).toBe(false)
    places.set(id, `${stream} ${revision}`)
  }
  return places
}

function messageIdOf(data: object): string {
  return /"im_\d+"/.exec(JSON.stringify(data))?.[0].slice(1, -1) ?? ''
}

/** The numbers below `count`, in an order that differs by `seed`. */
function shuffled(count: number, seed: number): number[] {
  const key = (number: number) => (number * 7_919 + seed * 104_729) % 10_007
  return Array.from({ length: count }, (_, number) => number).toSorted((a, b) => key(a) - key(b))
}
