import { describe, expect, test } from 'vitest'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { defineProjection } from '../../src/projecting/projection.ts'
import { instant, message, optIn, optOut } from '../ledger/deliveries.ts'
import { arrived, RECEIVED, scenariosOf } from './given-when-then.ts'

const [ONE, TWO, THREE] = ['2026-03-01T10:00:00', '2026-03-01T11:00:00', '2026-03-01T12:00:00']

/** Keeps what came last, which hangs on arrival. */
const last = defineProjection({
  name: 'last',
  version: 1,
  schema: 'CREATE TABLE last (one INTEGER PRIMARY KEY, kind TEXT, revision INTEGER) STRICT',
  tables: (db) => db.prepare('INSERT OR REPLACE INTO last (one, kind, revision) VALUES (1, ?, ?)'),
  queries: (db) => ({ kind: () => db.prepare('SELECT kind FROM last').get()?.['kind'] }),
  handle: (fact, event, row) => {
    row.run(fact.kind, event.revision)
  },
})

function failureOf(run: () => void): string {
  try {
    run()
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return 'none'
}

describe('a scenario', () => {
  test('of n tellings is read after every order of arrival, and once with all of them told twice', () => {
    const seen: string[] = []
    scenariosOf(messageTimeline, { arrivalShowsIn: ['revision', 'recorded_at'] })
      .given(optIn(ONE))
      .when(optOut(TWO), message(THREE))
      .thenReading((queries) => seen.push(typeof queries.page))
    expect(seen).toHaveLength(2 + 6)
  })

  test('of more tellings than can come in every order is read after many orders, the same ones each time', () => {
    const told = Array.from({ length: 9 }, (_, n) => message(ONE, { id: `im_${n}` }))
    const read = () => {
      const kinds: unknown[] = []
      scenariosOf(last, { arrivalShowsIn: ['revision'] })
        .given()
        .when(...told)
        .thenReading(({ kind }) => kinds.push(kind()))
      return kinds
    }
    expect(read().length).toBeGreaterThan(100)
    expect(read()).toEqual(read())
  })

  test('fails where an answer hangs on the order of arrival, and names the order', () => {
    const failure = failureOf(() =>
      scenariosOf(last, { arrivalShowsIn: ['kind', 'revision'] })
        .given(optIn(ONE))
        .when(optOut(TWO))
        .thenReading(({ kind }) => expect(kind()).toBe('opt_out')),
    )
    expect(failure).toMatch(
      /arrived in this order:\n {2}shop\.subscriber\.opt_out .*\n {2}shop\.subscriber\.opt_in /,
    )
    expect(failure).toContain("expected 'opt_in' to be 'opt_out'")
  })

  test('fails where a row hangs on the order of arrival, though no answer does', () => {
    const scenario = (arrivalShowsIn: string[]) =>
      failureOf(() =>
        scenariosOf(last, { arrivalShowsIn })
          .given(optIn(ONE))
          .when(optOut(TWO))
          .thenReading(() => {}),
      )
    expect(scenario([])).toContain('arrived in this order:')
    expect(scenario(['revision'])).toContain('arrived in this order:')
    expect(scenario(['kind', 'revision'])).toBe('none')
  })

  test('fails as it is told where the answer is another', () => {
    const failure = failureOf(() =>
      scenariosOf(last)
        .given()
        .when(optIn(ONE))
        .thenReading(({ kind }) => expect(kind()).toBe('message')),
    )
    expect(failure).toContain("expected 'opt_in' to be 'message'")
  })
})

test('what arrives was received at one moment, and is kept once, in the order in which it arrives', () => {
  const events = arrived(optOut(TWO), optIn(ONE), optOut(TWO))
  expect(events.map(({ type, revision, metadata }) => [type, revision, metadata.receivedAt])).toEqual([
    ['shop.subscriber.opt_out', 0, RECEIVED],
    ['shop.subscriber.opt_in', 1, RECEIVED],
  ])
  expect(events[1]?.metadata.recordedAt).toBe(instant('2026-12-31T12:00:01'))
})
