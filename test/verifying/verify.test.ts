import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { canonicalJson, isJsonObject } from '../../src/ledger/json.ts'
import { Notes } from '../../src/verifying/notes.ts'
import { verify } from '../../src/verifying/verify.ts'
import { optIn, placeBody } from '../ledger/deliveries.ts'
import {
  appendTo,
  eventAt,
  forge,
  forgeChain,
  logOf,
  someLog,
  streamOf,
  tamperWith,
  verifyFile,
} from './tampering.ts'

test('a log that nobody has changed is whole', async () => {
  expect(await verifyFile(someLog())).toEqual({ events: 24, streams: 4, misfit: null })
})

test('so is an empty one', async () => {
  expect(await verifyFile(logOf([]))).toEqual({ events: 0, streams: 0, misfit: null })
})

test('so is one with the same event in two streams', async () => {
  const { event } = placeBody(optIn('2026-03-01T10:00:00.000000'))
  const path = logOf([0, 1].map((number) => ({ stream: streamOf(number), event })))
  expect(await verifyFile(path)).toEqual({ events: 2, streams: 2, misfit: null })
})

test('what is appended meanwhile is left for the next time', async () => {
  const path = someLog()
  const log = new SqliteLog(path)
  const notes = new Notes()
  onTestFinished(async () => {
    notes.close()
    await log.close()
  })
  const head = await log.head()
  log.head = async () => {
    appendTo(path, [placeBody(optIn('2026-03-02T10:00:00.000000'))])
    return head
  }
  expect(await verify(log, notes)).toMatchObject({ events: 24, misfit: null })
  expect(await verifyFile(path)).toMatchObject({ events: 25, misfit: null })
})

test('an id that only seems to have been there before does no harm', async () => {
  const notes = new Notes()
  notes.addId = () => false
  expect(await verifyFile(someLog(), notes)).toMatchObject({ events: 24, misfit: null })
})

const SMALL = { heads: 3, cacheKib: 64 }

test('streams may be many more than are kept in memory', async () => {
  const appends = Array.from({ length: 6_000 }, (_, index) => {
    const body = optIn('2026-03-01T10:00:00.000000', { subscriber_id: `s_${index % 1_700}`, index })
    return placeBody(body)
  })
  const path = logOf(appends)
  expect(await verifyFile(path, new Notes(SMALL))).toEqual({ events: 6_000, streams: 1_700, misfit: null })
  tamperWith(path).exec("UPDATE events SET type = 'shop.subscriber.opt_out' WHERE position = 5900")
  expect(await verifyFile(path, new Notes(SMALL))).toMatchObject({
    misfit: {
      stream: streamOf(5_899 % 1_700),
      position: '0000000000005900',
      wrong: expect.stringMatching(/^changed: /),
    },
  })
})

const CONTENT = 'type, data, metadata'
const swapped = (table: string) =>
  `UPDATE ${table} SET position = -position WHERE position IN (10, 14);
   UPDATE ${table} SET position = CASE position WHEN -10 THEN 14 ELSE 10 END WHERE position < 0;`

describe('the first event that does not fit is named: of s_1, the third is at position 10, the fourth at 14', () => {
  test.each<[what: string, sql: string, position: number, revision: number, wrong: RegExp]>([
    ['a byte of data', "UPDATE events SET data = replace(data, 'Größe 13', 'Größe 12')", 14, 3, /^changed: /],
    ['its type', "UPDATE events SET type = 'shop.test' WHERE position = 10", 10, 2, /^changed: /],
    [
      'its time of recording',
      "UPDATE events SET metadata = replace(metadata, '12:00:19.', '12:00:09.')",
      10,
      2,
      /^changed: /,
    ],
    [
      'its hash',
      `UPDATE events SET metadata = json_set(metadata, '$.hash', '${'0'.repeat(64)}') WHERE position = 10`,
      10,
      2,
      /^changed: /,
    ],
    [
      'its revision, to a later one',
      'UPDATE events SET revision = 7 WHERE position = 10',
      10,
      7,
      /^missing: /,
    ],
    [
      'its revision, to an earlier one',
      'UPDATE events SET revision = 1 WHERE position = 10',
      10,
      1,
      /^reordered: /,
    ],
    [
      'the name of its stream',
      "UPDATE streams SET name = name || 'x' WHERE name LIKE '%.s_1'",
      2,
      0,
      /^changed: /,
    ],
    [
      'deleted',
      'DELETE FROM events WHERE position = 10',
      14,
      3,
      /^missing: there is no revision 2 before it$/,
    ],
    [
      'deleted with its place',
      'DELETE FROM events WHERE position = 10; DELETE FROM entries WHERE position = 10',
      14,
      3,
      /^missing: there is no revision 2 before it$/,
    ],
    [
      'the first one deleted',
      'DELETE FROM events WHERE position = 2',
      6,
      1,
      /^missing: there is no revision 0 /,
    ],
    [
      'two swapped',
      swapped('events') + swapped('entries'),
      10,
      3,
      /^reordered: revision 2 stands behind it$/,
    ],
    [
      'the contents of two swapped',
      `UPDATE events SET (${CONTENT}) = (SELECT ${CONTENT} FROM events other WHERE other.position = 24 - events.position)
        WHERE position IN (10, 14)`,
      10,
      2,
      /^changed: /,
    ],
    [
      'put into another stream',
      'UPDATE events SET stream = (SELECT stream FROM events WHERE position = 3) WHERE position = 10',
      10,
      2,
      /^changed: /,
    ],
    [
      'stored once more',
      'INSERT INTO events SELECT 25, stream, revision, type, data, metadata FROM events WHERE position = 10',
      25,
      2,
      /^reordered: revision 5 stands before it$/,
    ],
    [
      'one of somebody else',
      `INSERT INTO events SELECT 25, stream, 6, 'note', '{"a":1}', '{}' FROM events WHERE position = 10`,
      25,
      6,
      /^foreign: its metadata are none of the ledger's$/,
    ],
    [
      'something that is no JSON',
      "UPDATE events SET data = 'Dear diary,' WHERE position = 10",
      10,
      2,
      /^foreign: its data are no JSON object$/,
    ],
    [
      'brackets without end',
      `UPDATE events SET data = '{"a":${'['.repeat(90_000)}${']'.repeat(90_000)}}' WHERE position = 10`,
      10,
      2,
      /^changed: /,
    ],
  ])('%s', async (_, sql, position, revision, wrong) => {
    const path = someLog()
    tamperWith(path).exec(sql)
    const { misfit } = await verifyFile(path)
    expect(misfit).toMatchObject({ revision, position: String(position).padStart(16, '0') })
    expect(misfit?.wrong).toMatch(wrong)
  })

  const s1 = streamOf(1)

  test('swapped, but for the index of its stream, which still says where they were', async () => {
    const path = someLog()
    tamperWith(path).exec(swapped('events'))
    expect((await verifyFile(path)).misfit).toMatchObject({ stream: s1, revision: 3 })
  })

  test('changed, with a hash that fits: the one behind it', async () => {
    const path = someLog()
    forge(tamperWith(path), 10, { receivedAt: eventAt(tamperWith(someLog()), 10).metadata.recordedAt })
    expect((await verifyFile(path)).misfit).toMatchObject({
      stream: s1,
      revision: 3,
      wrong: expect.stringMatching(/^unchained: /),
    })
  })

  test('chained, but recorded before the one before it', async () => {
    const path = someLog()
    const db = tamperWith(path)
    forge(db, 22, { recordedAt: eventAt(db, 2).metadata.recordedAt })
    expect((await verifyFile(path)).misfit).toMatchObject({
      stream: s1,
      revision: 5,
      wrong: expect.stringMatching(/^reordered: /),
    })
  })

  test('chained, but with the id of an earlier one', async () => {
    const path = someLog()
    const db = tamperWith(path)
    forge(db, 22, { id: eventAt(db, 6).metadata.id })
    expect((await verifyFile(path)).misfit).toMatchObject({
      stream: s1,
      revision: 5,
      wrong: expect.stringMatching(/^repeated: /),
    })
  })
})

describe('what it cannot see', () => {
  test.each<[what: string, sql: string]>([
    ['a cut tail', 'DELETE FROM events WHERE position > 21'],
    ['a dropped stream', 'DELETE FROM events WHERE stream = 2'],
  ])('%s', async (_, sql) => {
    const path = someLog()
    tamperWith(path).exec(sql)
    expect((await verifyFile(path)).misfit).toBeNull()
  })

  test('a whole chain computed anew', async () => {
    const path = someLog()
    const db = tamperWith(path)
    db.exec("UPDATE events SET type = 'shop.subscriber.opt_out' WHERE position = 10")
    forgeChain(db, 2)
    expect((await verifyFile(path)).misfit).toBeNull()
  })
})

test('any one character of data or metadata that is changed is found, and the event named', async () => {
  const path = someLog()
  const db = tamperWith(path)
  const change = fc.record({
    position: fc.integer({ min: 1, max: 24 }),
    column: fc.constantFrom('data', 'metadata'),
    at: fc.nat(),
    put: fc.oneof(
      fc.constantFrom(...'"\\{}[],: 0179aefu'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
  })
  await fc.assert(
    fc.asyncProperty(change, async ({ position, column, at, put }) => {
      const read = () =>
        String(db.prepare(`SELECT ${column} FROM events WHERE position = ?`).get(position)?.[column])
      const write = (text: string) =>
        db.prepare(`UPDATE events SET ${column} = ? WHERE position = ?`).run(text, position)
      const before = read()
      const characters = [...before]
      characters[at % characters.length] = put
      write(characters.join(''))
      try {
        // `\u001f` and `\u001F` say the same: nothing was changed.
        fc.pre(meaning(read()) !== meaning(before))
        const { stream, revision } = {
          stream: streamOf((position - 1) % 4),
          revision: Math.floor((position - 1) / 4),
        }
        expect((await verifyFile(path)).misfit).toMatchObject({
          stream,
          revision,
          wrong: expect.stringMatching(/^(changed|foreign): /),
        })
      } finally {
        write(before)
      }
    }),
    { numRuns: 300 },
  )
})

function meaning(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? canonicalJson(value) : null
  } catch {
    return null
  }
}
