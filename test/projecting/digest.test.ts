import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { projections } from '../../projections/index.ts'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import { copyLog } from '../../src/copying/copy.ts'
import type { EventLog } from '../../src/event-store/event-store.ts'
import { streams } from '../../src/ledger/event.ts'
import { digestOf, digestRows } from '../../src/projecting/digest.ts'
import { Generation } from '../../src/projecting/generation.ts'
import { readingOf } from '../../src/projecting/pages.ts'
import { type AnyProjection, defineProjection } from '../../src/projecting/projection.ts'
import { comparedTables, rowsOf, SchemasDiffer } from '../../src/projecting/rows.ts'
import { MemoryLog } from '../copying/memory-log.ts'
import { placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { builtFrom, logWith, someEvents, tamperWith } from './built.ts'
import { openLog } from './doubles.ts'

const NEVER = new AbortController().signal
const events = someEvents()
const all = Object.values(projections)

async function digestFrom(projection: AnyProjection, log: EventLog = logWith(events), page = 10_000) {
  const { path } = await builtFrom(log, projection, { page })
  return digestOf(path, projection, NEVER)
}

describe.each(all)('the digest of $name', (projection: AnyProjection) => {
  test('is the same for the same log: in another folder, in other pages, at other positions', async () => {
    const { sha256, rows, position } = await digestFrom(projection)
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(rows).toBeGreaterThan(3)
    expect(position).toBe(await logWith(events).head())
    for (const page of [1, 3])
      expect(await digestFrom(projection, logWith(events), page)).toEqual({ sha256, rows, position })
  })

  test('is the same on either engine, for a log and its copy', async () => {
    const source = await openLog()
    for (const { data } of events) {
      const { stream, event } = placeBody(data)
      await source.append(stream, event)
    }
    const target = new MemoryLog()
    await copyLog({ source, target, pause: async () => {} })
    const [ofSource, ofTarget] = [await digestFrom(projection, source), await digestFrom(projection, target)]
    expect(ofTarget.sha256).toBe(ofSource.sha256)
    expect(ofTarget.position).not.toBe(ofSource.position)
  })

  test('does not hang on how streams take turns, which may be otherwise where nodes write', async () => {
    const { sha256 } = await digestFrom(projection)
    const inTurns = events.toSorted((a, b) => a.revision - b.revision)
    const oneByOne = events.toSorted((a, b) => (a.stream < b.stream ? 1 : a.stream > b.stream ? -1 : 0))
    for (const order of [inTurns, oneByOne])
      expect((await digestFrom(projection, logWith(order))).sha256).toBe(sha256)
  })

  test('is another one for what comes in addition', async () => {
    const lengths = [0, 6, 12, events.length]
    const digests = await Promise.all(
      lengths.map(async (length) => (await digestFrom(projection, logWith(events.slice(0, length)))).sha256),
    )
    expect(new Set(digests).size).toBe(lengths.length)
  })

  test('is another one for every cell that is changed, and the same again when it is changed back', async () => {
    const generation = await builtFrom(logWith(events), projection)
    const { sha256 } = await digestOf(generation.path, projection, NEVER)
    const db = tamperWith(generation)
    const cells = cellsOf(db, projection)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cells), fc.nat(), fc.anything(), async (cell, nth, put) => {
        const count = Number(db.prepare(`SELECT count(*) AS n FROM ${cell.table}`).get()?.['n'])
        db.exec('BEGIN')
        try {
          const changed = change(db, cell, nth % count, put)
          const { sha256: now } = await digestRows(db, comparedTables(projection), NEVER)
          expect(now === sha256).toBe(!changed)
        } finally {
          db.exec('ROLLBACK')
        }
      }),
      { numRuns: 200 },
    )
    expect((await digestOf(generation.path, projection, NEVER)).sha256).toBe(sha256)
  })

  test('is another one where a row is missing', async () => {
    const generation = await builtFrom(logWith(events), projection)
    const db = tamperWith(generation)
    const { sha256 } = await digestOf(generation.path, projection, NEVER)
    for (const { name } of comparedTables(projection)) {
      db.exec('BEGIN')
      deleteFirst(db, name)
      expect((await digestRows(db, comparedTables(projection), NEVER)).sha256).not.toBe(sha256)
      db.exec('ROLLBACK')
    }
  })
})

interface Cell {
  readonly table: string
  readonly column: string
  readonly isText: boolean
}

// The numbers that rows are given as they come are no part of what is said.
function cellsOf(db: DatabaseSync, projection: AnyProjection): Cell[] {
  return comparedTables(projection).flatMap(({ name: table, columns }) =>
    db
      .prepare('SELECT name, type FROM pragma_table_info(?)')
      .all(table)
      .filter(({ name }) => columns.includes(String(name)))
      .map(({ name, type }) => ({ table, column: String(name), isText: type === 'TEXT' })),
  )
}

// Whether the row says something else now; one that would be there twice is left alone.
function change(db: DatabaseSync, { table, column, isText }: Cell, nth: number, put: unknown): boolean {
  const value = isText ? String(JSON.stringify(put)) : Number.isSafeInteger(put) ? Number(put) : 77
  const [where, keys] = rowAt(db, table, nth)
  const before = db.prepare(`SELECT ${column} AS value FROM ${table} WHERE ${where}`).get(...keys)
  try {
    db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${where}`).run(value, ...keys)
  } catch {
    return false
  }
  return before?.['value'] !== value
}

function rowAt(db: DatabaseSync, table: string, nth: number): [string, (string | number)[]] {
  const keys = db.prepare('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk').all(table)
  const names = keys.map(({ name }) => String(name))
  const row = db.prepare(`SELECT ${names.join(', ')} FROM ${table} LIMIT 1 OFFSET ?`).get(nth) ?? {}
  const values = Object.values(row).map((value) => (typeof value === 'number' ? value : String(value)))
  return [names.map((name) => `${name} = ?`).join(' AND '), values]
}

function deleteFirst(db: DatabaseSync, table: string): void {
  const [where, keys] = rowAt(db, table, 0)
  db.prepare(`DELETE FROM ${table} WHERE ${where}`).run(...keys)
}

test('numbers that rows were given as they came are no part of it: a stream that was parked and retried has others', async () => {
  const stream = streams.subscriber(SHOP, 's_0')
  let broken = true
  const mended = defineProjection({
    ...messageTimeline,
    tables: (db) => messageTimeline.open(db),
    handle: (fact, event, open) => {
      if (broken && event.stream === stream) throw new Error('not yet')
      open.handle(fact, event)
    },
  })
  const generation = Generation.make(temporaryFolder(), mended, 'memory')
  onTestFinished(() => generation.close())
  generation.handle(events.map(readingOf))
  const parked = await digestOf(generation.path, mended, NEVER)
  const whole = await digestFrom(messageTimeline)
  expect(parked.sha256).not.toBe(whole.sha256)

  broken = false
  const waiting = events.filter((event) => event.stream === stream).map(readingOf)
  expect(await generation.retry(stream, inTurn(waiting))).toBe(true)
  expect(keyOf(generation)).toBeGreaterThan(1)
  expect((await digestOf(generation.path, mended, NEVER)).sha256).toBe(whole.sha256)
})

async function* inTurn<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

function keyOf(generation: Generation): number {
  const db = tamperWith(generation)
  const row = db.prepare("SELECT key FROM subscriber WHERE subscriber_id = 's_0'").get()
  db.close()
  return Number(row?.['key'])
}

test('what nobody is numbered by comes first, and is not lost', async () => {
  const generation = await builtFrom(logWith(events), messageTimeline)
  const { sha256 } = await digestOf(generation.path, messageTimeline, NEVER)
  const db = tamperWith(generation)
  db.exec('UPDATE entry SET subscriber = 99 WHERE subscriber = 1')
  const [entries] = comparedTables(messageTimeline)
  const first = entries === undefined ? undefined : rowsOf(db, entries).next().value
  expect(first).toMatch(/^\[99,null,"2026-/)
  expect((await digestOf(generation.path, messageTimeline, NEVER)).sha256).not.toBe(sha256)
})

test('a parked stream is in it by what its events did not change, and by nothing else', async () => {
  const stream = streams.subscriber(SHOP, 's_1')
  const picky = defineProjection({
    ...subscriberStatus,
    tables: (db) => subscriberStatus.open(db),
    handle: (fact, event, open) => {
      if (event.stream === stream && event.revision >= 2) throw new Error('never')
      open.handle(fact, event)
    },
  })
  const { path } = await builtFrom(logWith(events), picky)
  const without = events.filter((event) => event.stream !== stream || event.revision < 2)
  expect((await digestOf(path, picky, NEVER)).sha256).toBe(
    (await digestFrom(subscriberStatus, logWith(without))).sha256,
  )
})

/** Every type that a column can have. */
const odd = defineProjection({
  name: 'odd',
  version: 1,
  schema: `CREATE TABLE "odd one" ("the text" TEXT, "the number" INTEGER, real REAL, bytes BLOB) STRICT;
    CREATE TABLE backwards (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (c, a)) STRICT, WITHOUT ROWID`,
  tables: () => null,
  queries: () => null,
  handle: () => {},
})

function oddDatabase(): DatabaseSync {
  const db = new DatabaseSync(':memory:')
  onTestFinished(() => db.close())
  db.exec(odd.schema)
  return db
}

test('rows are canonical JSON, keys first: any text, any number', () => {
  const db = oddDatabase()
  const [backwards, oddOne] = comparedTables(odd)
  if (backwards === undefined || oddOne === undefined) throw new Error('tables are missing')
  expect(backwards).toMatchObject({ name: 'backwards', columns: ['c', 'a', 'b'], keys: 2 })
  expect(oddOne).toMatchObject({ columns: ['rowid', 'the text', 'the number', 'real', 'bytes'], keys: 1 })
  const put = db.prepare('INSERT INTO backwards (a, b, c) VALUES (?, ?, ?)')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.maxSafeInteger(), (text, number) => {
      db.exec('DELETE FROM backwards')
      put.run(text, number, 'c')
      expect([...rowsOf(db, backwards)]).toEqual([JSON.stringify(['c', text, number])])
    }),
  )
  db.prepare('INSERT INTO "odd one" VALUES (?, ?, ?, ?)').run(null, 2n ** 62n, 0.1, Buffer.from('\0ÿ'))
  expect([...rowsOf(db, oddOne)]).toEqual(['[1,null,4611686018427387904,"0.1","00C3BF"]'])
})

test('a file with other tables than today’s is not digested', async () => {
  for (const sql of ['DROP TABLE phone', 'ALTER TABLE phone RENAME COLUMN phone TO number']) {
    const generation = await builtFrom(logWith(events), subscriberStatus)
    tamperWith(generation).exec(sql)
    await expect(digestOf(generation.path, subscriberStatus, NEVER)).rejects.toThrow(SchemasDiffer)
  }
})

/** A timeline of 200,000 entries of a kilobyte each. */
async function largeTimeline(): Promise<string> {
  const generation = await builtFrom(logWith([]), messageTimeline)
  const db = tamperWith(generation)
  db.exec(`PRAGMA synchronous = OFF; BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1999)
      INSERT INTO subscriber SELECT i, 'shop_1', printf('s_%04d', i) FROM n;
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199999)
      INSERT INTO entry SELECT i / 100, printf('2026-03-01T10:00:00.%06dZ', i), printf('%036d', i), 'message',
        '2026-03-01T10:00:00.000000Z', i % 100, 'shop.incoming_message', 'im_' || i, printf('{"body":"%01000d"}', i), 0, NULL,
        0 FROM n;
    COMMIT`)
  db.close()
  return generation.path
}

test('however many rows there are, little of them is in memory, and other work has its turn', async () => {
  const path = await largeTimeline()
  // Once before, as what is rubbish is let lie up to some size.
  await digestOf(path, messageTimeline, NEVER)
  const before = process.memoryUsage().rss
  let most = 0
  let turns = 0
  const watch = setInterval(() => {
    turns++
    most = Math.max(most, process.memoryUsage().rss - before)
  }, 5)
  onTestFinished(() => clearInterval(watch))
  expect(await digestOf(path, messageTimeline, NEVER)).toMatchObject({ rows: 202_000 })
  expect(most).toBeLessThan(50_000_000)
  expect(turns).toBeGreaterThan(20)

  const abort = new AbortController()
  setTimeout(() => abort.abort(), 20)
  await expect(digestOf(path, messageTimeline, abort.signal)).rejects.toThrow('abort')
})
