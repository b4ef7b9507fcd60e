import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { projections } from '../../projections/index.ts'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import { queries } from '../../projections/subscriber-status/queries.ts'
import { unplaced } from '../../projections/unplaced/projection.ts'
import type { Fact } from '../../src/ledger/interpret.ts'
import { diffOf } from '../../src/projecting/diff.ts'
import { type AnyProjection, defineProjection } from '../../src/projecting/projection.ts'
import { instant, Log, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { builtFrom, logWith, someEvents, tamperWith } from './built.ts'
import { notebook } from './doubles.ts'

const NEVER = new AbortController().signal
const events = someEvents(12)

/** The same projection, by a fold that reads facts otherwise; null is not read at all. */
function reading(projection: AnyProjection, otherwise: (fact: Fact) => Fact | null): AnyProjection {
  return defineProjection({
    ...projection,
    queries: () => null,
    tables: (db) => projection.open(db),
    handle: (fact, event, open) => {
      const read = otherwise(fact)
      if (read !== null) open.handle(read, event)
    },
  })
}

async function diffBetween(before: AnyProjection, after: AnyProjection, told = events) {
  const [old, fresh] = [await builtFrom(logWith(told), before), await builtFrom(logWith(told), after)]
  return diffOf({ before: old.path, after: fresh.path }, after, NEVER)
}

test.each(
  Object.values(projections).filter(({ subjects }) => subjects !== undefined),
)('two builds of $name by the same fold do not differ', async (projection: AnyProjection) => {
  const { position, counts, changes } = await diffBetween(projection, projection)
  expect(position).toBe(await logWith(events).head())
  expect(counts.subjects).toBeGreaterThan(0)
  expect(counts).toMatchObject({ changed: 0, added: 0, removed: 0 })
  expect(changes).toEqual([])
})

/** Two who were asked to stop by a word, one who was asked by a form, one who stays. */
function whoStops(keyword: string): Log {
  const log = new Log()
  const receive = (body: Parameters<Log['receive']>[0]) => log.receive(body, instant('2026-03-05T12:00:00'))
  for (const id of ['s_a', 's_b', 's_form', 's_stays'])
    receive(optIn('2026-03-01T10:00:00', { subscriber_id: id }))
  for (const id of ['s_a', 's_b'])
    receive(
      message('2026-03-02T10:00:00', { subscriber_id: id, id: `im_${id}`, is_opt_out: true, body: keyword }),
    )
  receive(optOut('2026-03-02T10:00:00', { subscriber_id: 's_form' }))
  return log
}

const ignoringKeywords = (fact: Fact): Fact =>
  fact.kind === 'message' ? { ...fact, message: { ...fact.message, isOptOut: false } } : fact

describe('what another fold changes', () => {
  test('of statuses: exactly those subscribers, before and after', async () => {
    const { events: told } = whoStops('STOP')
    const { counts, changes } = await diffBetween(
      subscriberStatus,
      reading(subscriberStatus, ignoringKeywords),
      told,
    )
    expect(counts).toEqual({ subjects: 4, changed: 2, added: 0, removed: 0 })
    expect(changes).toMatchObject(
      ['s_a', 's_b'].map((subscriberId) => ({
        shopId: SHOP,
        subscriberId,
        before: { subscriberId, status: 'unsubscribed', since: '2026-03-02T10:00:00.000000Z' },
        after: { subscriberId, status: 'subscribed', since: '2026-03-01T10:00:00.000000Z' },
      })),
    )
  })

  test('of timelines: the entries that differ, and no others', async () => {
    const { events: told } = whoStops('STOP')
    const { counts, changes } = await diffBetween(
      messageTimeline,
      reading(messageTimeline, ignoringKeywords),
      told,
    )
    expect(counts).toEqual({ subjects: 4, changed: 2, added: 0, removed: 0 })
    expect(changes).toMatchObject(
      ['s_a', 's_b'].map((subscriberId) => ({
        subscriberId,
        before: [{ kind: 'message', message: { id: `im_${subscriberId}`, body: 'STOP', isOptOut: true } }],
        after: [{ kind: 'message', message: { id: `im_${subscriberId}`, body: 'STOP', isOptOut: false } }],
      })),
    )
  })

  test('those who come and go', async () => {
    const without = (id: string) => (fact: Fact) =>
      'subscriberId' in fact && fact.subscriberId === id ? null : fact
    const [before, after] = [without('s_3'), without('s_7')]
    for (const projection of [subscriberStatus, messageTimeline]) {
      const { counts, changes } = await diffBetween(reading(projection, before), reading(projection, after))
      expect(counts).toEqual({ subjects: 12, changed: 0, added: 1, removed: 1 })
      expect(changes).toMatchObject([
        { subscriberId: 's_3', before: null, after: expect.anything() },
        { subscriberId: 's_7', before: expect.anything(), after: null },
      ])
    }
  })

  test('of what concerns no subscriber: each event by itself', async () => {
    const renamed = reading(unplaced, (fact) =>
      fact.kind === 'unplaced' ? { ...fact, reason: 'no-shop' } : fact,
    )
    const { counts, changes } = await diffBetween(unplaced, renamed)
    expect(counts).toEqual({ subjects: 12, changed: 12, added: 0, removed: 0 })
    expect(changes[0]).toMatchObject({
      shopId: SHOP,
      subscriberId: null,
      before: { reason: 'no-subscriber' },
      after: { reason: 'no-shop' },
    })
  })

  test('all are counted, and the first hundred shown, of a list the first twenty entries', async () => {
    const log = new Log()
    for (let number = 0; number < 130; number++)
      for (let text = 0; text < (number === 0 ? 30 : 1); text++)
        log.receive(
          message(`2026-03-01T10:00:${10 + text}`, {
            subscriber_id: `s_${1000 + number}`,
            id: `im_${number}_${text}`,
          }),
          instant('2026-03-05T12:00:00'),
        )
    const louder = reading(messageTimeline, (fact) =>
      fact.kind === 'message' ? { ...fact, message: { ...fact.message, body: 'LOUDER' } } : fact,
    )
    const { counts, changes } = await diffBetween(messageTimeline, louder, log.events)
    expect(counts).toEqual({ subjects: 130, changed: 130, added: 0, removed: 0 })
    expect(changes).toHaveLength(100)
    expect(changes.map(({ subscriberId }) => subscriberId)).toEqual(changes.map((_, at) => `s_${1000 + at}`))
    expect(changes[0]?.before).toHaveLength(20)
    expect(changes[0]?.after).toHaveLength(20)
  })
})

test('a subscriber is shown as they are read', async () => {
  const none = reading(subscriberStatus, () => null)
  const { changes } = await diffBetween(subscriberStatus, none)
  const db = tamperWith(await builtFrom(logWith(events), subscriberStatus))
  expect(changes).toHaveLength(12)
  for (const { subscriberId, before } of changes)
    expect(before).toEqual(queries(db).get(SHOP, subscriberId ?? ''))
})

test('so is an entry of a timeline, and an unplaced event', async () => {
  const { changes } = await diffBetween(
    messageTimeline,
    reading(messageTimeline, () => null),
  )
  const db = tamperWith(await builtFrom(logWith(events), messageTimeline))
  const page = { kind: null, from: null, to: null, order: 'asc', after: null, limit: 200 } as const
  for (const { subscriberId, before } of changes) {
    const entries = messageTimeline.queries(db).page(SHOP, subscriberId ?? '', page) ?? []
    expect(before).toEqual(
      entries.map(({ messageId: _, told: __, isOptOut: ___, message, ...entry }) => ({
        ...entry,
        message: message === null ? null : JSON.parse(message),
      })),
    )
  }
  const ofUnplaced = await diffBetween(
    unplaced,
    reading(unplaced, () => null),
  )
  const list = unplaced.queries(tamperWith(await builtFrom(logWith(events), unplaced))).list(SHOP, null, 200)
  expect(ofUnplaced.changes.map(({ before }) => before)).toEqual(list)
})

test('two that are not at the same position are waited for, until they meet', async () => {
  const old = await builtFrom(logWith(events), subscriberStatus)
  const fresh = await builtFrom(logWith(events), subscriberStatus)
  const db = tamperWith(fresh)
  db.exec("UPDATE generation SET checkpoint = 'm00000001'")
  const diff = diffOf({ before: old.path, after: fresh.path }, subscriberStatus, NEVER)
  await delay(100)
  db.exec(`UPDATE generation SET checkpoint = '${old.checkpoint}'`)
  expect(await diff).toMatchObject({ position: old.checkpoint, changes: [] })
})

test('where they do not meet, it says so', async () => {
  const old = await builtFrom(logWith(events.slice(1)), subscriberStatus)
  const fresh = await builtFrom(logWith(events), subscriberStatus)
  const paths = { before: old.path, after: fresh.path }
  await expect(diffOf(paths, subscriberStatus, NEVER)).rejects.toMatchObject({ code: 'generations-apart' })
  await expect(diffOf(paths, subscriberStatus, AbortSignal.timeout(50))).rejects.toThrow('abort')
})

test('a build that today’s code cannot read is said to be one, and read where only other columns differ', async () => {
  const old = await builtFrom(logWith(events), subscriberStatus)
  const fresh = await builtFrom(logWith(events), subscriberStatus)
  const db = tamperWith(old)
  db.exec("ALTER TABLE subscriber ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'")
  const paths = { before: old.path, after: fresh.path }
  expect(await diffOf(paths, subscriberStatus, NEVER)).toMatchObject({ counts: { changed: 0 } })
  db.exec('ALTER TABLE subscriber RENAME COLUMN messages TO texts')
  await expect(diffOf(paths, subscriberStatus, NEVER)).rejects.toMatchObject({
    code: 'schemas-differ',
    message: 'its tables are not those of this version: no such column: messages',
  })
})

test('a projection that does not say of whom it says what has no diff', async () => {
  await expect(diffBetween(notebook('notes'), notebook('notes'))).rejects.toMatchObject({
    code: 'no-subjects',
  })
})
