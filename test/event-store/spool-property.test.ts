import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { instantFromEpoch } from '../../src/ledger/instant.ts'
import { allEvents } from '../chains.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { FakeStore, Gate, type Weather } from './gate.ts'
import { copyAsKilled, openSpooling } from './spool-doubles.ts'
import { streamOf, texted } from './texts.ts'

const STREAMS = ['s_ada', 's_bob', 's_cat'].map(streamOf)
const HOUR = 3_600_000_000

/** What happens to a ledger. `again` is an event that was not acknowledged, sent once more. */
type Happening =
  | { readonly what: 'sends'; readonly to: readonly number[] }
  | { readonly what: 'again' | 'pause ends' | 'restart' | 'kill' }
  | { readonly what: 'weather'; readonly weather: Weather }

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('sends'),
      to: fc.array(fc.nat(2), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constantFrom('again', 'pause ends', 'pause ends') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constant('weather'),
      weather: fc.constantFrom<Weather>('there', 'away', 'lossy', 'silent'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom('restart', 'kill') }) },
)

/** One event, as who sent it knows it: when it was first sent and first acknowledged, by a count of all that was done. */
interface Sent {
  readonly stream: string
  readonly event: ReturnType<typeof texted>
  readonly sentAt: number
  acknowledgedAt: number | null
}

/** What the log says in the end of each stream. */
type Told = (stream: string) => Promise<readonly { readonly id: string; readonly receivedAt: string }[]>

interface Log {
  readonly inner: ConstructorParameters<typeof Gate>[0]
  readonly told: Told
  /** Resolves when all that was given to it has been done. */
  readonly settled: () => Promise<unknown>
}

async function live(prefix: string, { inner, settled }: Log, story: readonly Happening[]): Promise<Sent[]> {
  const sent: Sent[] = []
  let moment = 0
  let starts = 0
  let path = `${prefix}${starts}.sqlite`
  let gate = new Gate(inner)
  let opened = openSpooling({ path, gate })

  const calm = async () => {
    for (let turns = 0; turns < 3; turns++) {
      await settled()
      await turn()
    }
  }
  const deliver = (one: Sent) => {
    const to = gate
    opened.store.append(one.stream, one.event).then(
      () => {
        // A process that has been killed acknowledges nothing.
        if (to === gate) one.acknowledgedAt ??= ++moment
      },
      () => {},
    )
  }
  const start = (weather: Weather) => {
    gate = new Gate(inner)
    gate.weather = weather
    opened = openSpooling({ path, gate })
  }

  for (const happens of story) {
    moment++
    if (happens.what === 'sends')
      for (const to of happens.to) {
        const number = sent.length
        const receivedAt = instantFromEpoch(1_772_359_200_000_000 + number * HOUR)
        const stream = STREAMS[to] ?? ''
        const one = { stream, event: texted(number, receivedAt), sentAt: moment, acknowledgedAt: null }
        sent.push(one)
        deliver(one)
      }
    else if (happens.what === 'again') {
      const open = sent.find(({ acknowledgedAt }) => acknowledgedAt === null)
      if (open !== undefined) deliver(open)
    } else if (happens.what === 'weather') gate.weather = happens.weather
    else if (happens.what === 'pause ends') opened.pauses.elapse()
    else {
      const { weather } = gate
      const old = { gate, store: opened.store }
      if (happens.what === 'restart') {
        const closed = old.store.close()
        // It waits for answers, and the store gives none while it is silent.
        gate.speak()
        await closed
      } else {
        const image = `${prefix}${++starts}.sqlite`
        copyAsKilled(path, image)
        path = image
      }
      start(weather)
      old.gate.kill()
      await old.store.close()
    }
    await calm()
  }
  await opened.drain()
  await opened.store.close()
  return sent
}

async function check(sent: readonly Sent[], told: Told): Promise<void> {
  for (const stream of STREAMS) {
    const stored = await told(stream)
    const ids = stored.map(({ id }) => id)
    expect(new Set(ids).size, 'nothing is there twice').toBe(ids.length)
    const ofStream = sent.filter((one) => one.stream === stream)
    const times = new Map(ofStream.map(({ event }) => [event.id, event.receivedAt]))
    for (const { id, receivedAt } of stored) expect(receivedAt).toBe(times.get(id))
    const placeOf = ({ event }: Sent) => ids.indexOf(event.id)
    const acknowledged = ofStream.filter(({ acknowledgedAt }) => acknowledgedAt !== null)
    for (const one of acknowledged) {
      expect(placeOf(one), 'what was acknowledged is there').toBeGreaterThanOrEqual(0)
      // What was sent after that was acknowledged stands behind it.
      for (const later of ofStream)
        if (later.sentAt > (one.acknowledgedAt ?? 0) && placeOf(later) >= 0)
          expect(placeOf(later)).toBeGreaterThan(placeOf(one))
    }
  }
}

function fakeLog(): Log {
  const inner = new FakeStore()
  return { inner, told: async (stream) => inner.events(stream), settled: async () => {} }
}

function realLog(log: SqliteEventStore): Log {
  const events = async () => Map.groupBy(await allEvents(log), ({ stream }) => stream)
  const told: Told = async (stream) => (await events()).get(stream)?.map(({ metadata }) => metadata) ?? []
  // Its thread answers in the order in which it was asked.
  return { inner: log, told, settled: () => log.probe() }
}

const story = fc.array(happening, { minLength: 5, maxLength: 30 })

test('whatever happens, each acknowledged event is in the log, once, in its order, with the time at which it came', async () => {
  const folder = temporaryFolder()
  let lives = 0
  await fc.assert(
    fc.asyncProperty(story, async (happenings) => {
      const log = fakeLog()
      await check(await live(join(folder, `${lives++}-`), log, happenings), log.told)
    }),
    { numRuns: 100 },
  )
})

test('the same over the embedded log', async () => {
  const folder = temporaryFolder()
  let lives = 0
  await fc.assert(
    fc.asyncProperty(story, async (happenings) => {
      const path = join(folder, `${lives}.log`)
      const store = await SqliteEventStore.open({ path, writer: 'folder-1' })
      try {
        const log = realLog(store)
        await check(await live(join(folder, `${lives++}-`), log, happenings), log.told)
      } finally {
        await store.close()
      }
    }),
    { numRuns: 8 },
  )
})
