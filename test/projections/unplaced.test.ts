import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unplaced } from '../../projections/unplaced/projection.ts'
import type { UnplacedKey } from '../../projections/unplaced/queries.ts'
import { EventType, type StoredEvent, streams } from '../../src/ledger/event.ts'
import { delivery, instant, Log, optIn, ownEvent, SHOP, SUBSCRIBER } from '../ledger/deliveries.ts'
import { build } from './build.ts'

const AT = instant('2026-03-01T10:00:00')
const HERS = streams.subscriber(SHOP, SUBSCRIBER)

function listAfter(events: readonly StoredEvent[], shopId = SHOP) {
  using built = build(unplaced, events)
  return built.queries.list(shopId, null, 100)
}

/** What a replay writes beside an event that it could place. */
function placed(log: Log, { stream, metadata: { id } }: StoredEvent): StoredEvent {
  const data = { eventId: id, stream: HERS, revision: 0 }
  return log.append(stream, ownEvent(EventType.placed, data, 'webhook', AT), AT)
}

describe('the list of unplaced events', () => {
  test('has each of them, with the reason, and nothing that was placed', () => {
    const log = new Log()
    const nobody = log.receive(delivery('shop.new', {}), instant('2026-03-01T10:00:01'))
    log.receive(optIn('2026-03-01T10:00:00'), instant('2026-03-01T10:00:02'))
    log.receive(delivery('shop.test', {}), instant('2026-03-01T10:00:03'))
    const words = log.receive('stop', instant('2026-03-01T10:00:04'))
    expect(listAfter(log.events)).toEqual([
      {
        recordedAt: '2026-03-01T10:00:01.000000Z',
        eventId: nobody.metadata.id,
        stream: nobody.stream,
        revision: 0,
        reason: 'no-subscriber',
        placedIn: null,
      },
      {
        recordedAt: '2026-03-01T10:00:04.000000Z',
        eventId: words.metadata.id,
        stream: words.stream,
        revision: 0,
        reason: 'not-json',
        placedIn: null,
      },
    ])
  })

  test('says where an event went once it was placed, and says nothing of the others', () => {
    const log = new Log()
    const first = log.receive(delivery('shop.new', { n: 1 }), AT)
    const second = log.receive(delivery('shop.new', { n: 2 }), AT)
    placed(log, first)
    const list = listAfter(log.events)
    expect(list).toHaveLength(2)
    expect(list.find(({ eventId }) => eventId === first.metadata.id)?.placedIn).toBe(HERS)
    expect(list.find(({ eventId }) => eventId === second.metadata.id)?.placedIn).toBeNull()
  })

  test('is of one shop', () => {
    const log = new Log(SHOP, 'shop_b')
    log.receive({ ...delivery('shop.new', {}), resource_id: 'shop_b' }, AT)
    expect(listAfter(log.events)).toEqual([])
    expect(listAfter(log.events, 'shop_b')).toMatchObject([{ reason: 'no-subscriber' }])
  })

  test('has what names an unknown shop under the first shop of its token', () => {
    const log = new Log()
    log.receive({ ...optIn('2026-03-01T10:00:00'), resource_id: 'shop_b' }, AT)
    expect(listAfter(log.events)).toMatchObject([{ reason: 'unknown-shop' }])
    expect(listAfter(log.events, 'shop_b')).toEqual([])
  })

  test('its pages, one after the other, have every event once, oldest first', () => {
    const seconds = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 })
    fc.assert(
      fc.property(seconds, fc.integer({ min: 1, max: 5 }), (times, limit) => {
        const log = new Log()
        times.forEach((second, n) => {
          log.receive(delivery('shop.new', { n }), instant(`2026-03-01T10:00:0${second}`))
        })
        using built = build(unplaced, log.events)
        const found: UnplacedKey[] = []
        for (;;) {
          const page = built.queries.list(SHOP, found.at(-1) ?? null, limit)
          found.push(...page.map(({ recordedAt, eventId }) => [recordedAt, eventId] as const))
          if (page.length < limit) break
        }
        const all = log.events.map(({ metadata: { recordedAt, id } }) => `${recordedAt} ${id}`)
        expect(found.map((key) => key.join(' '))).toEqual(all.toSorted())
      }),
      { numRuns: 100 },
    )
  })

  test('is the same, byte for byte, when the same log is replayed', () => {
    const log = new Log()
    placed(log, log.receive(delivery('shop.new', {}), AT))
    log.receive('stop', AT)
    using first = build(unplaced, log.events)
    using second = build(
      unplaced,
      log.events.map((event, index) => ({ ...event, position: `${1000 + 7 * index}` })),
    )
    expect(second.dump()).toBe(first.dump())
    expect(first.dump()).toContain(HERS)
  })
})
