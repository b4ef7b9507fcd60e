import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteAppender } from '../../src/event-store/sqlite/appender.ts'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { changeDatabase } from '../change-database.ts'
import { instant, optIn, placeBody } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const WRITER = 'folder-1'
const { stream, event } = placeBody(optIn('2026-03-01T10:00:00.000000'))
const later = placeBody(optIn('2026-03-02T10:00:00.000000')).event

/** A log with one event in it, closed. */
async function someLog(): Promise<string> {
  const path = join(temporaryFolder(), 'log.sqlite')
  const store = await SqliteEventStore.open({ path, writer: WRITER })
  await store.append(stream, event)
  await store.close()
  return path
}

const openings = {
  'to append': (path: string) => SqliteEventStore.open({ path, writer: WRITER }),
  'to read': async (path: string) => new SqliteLog(path),
}

test.each(
  ['streams', 'events', 'entries'].flatMap((table) => [
    `DELETE FROM ${table}`,
    `UPDATE ${table} SET rowid = rowid`.replace('entries SET rowid = rowid', 'entries SET key = key'),
  ]),
)('the log refuses: %s', async (sql) => {
  const path = await someLog()
  expect(() => changeDatabase(path, sql)).toThrow('the log is immutable')
})

test.each(
  Object.entries(openings),
)('a file of a newer release is refused in one line, opened %s', async (_, open) => {
  const path = await someLog()
  changeDatabase(path, 'PRAGMA user_version = 99')
  await expect(open(path)).rejects.toMatchObject({
    code: 'database-unusable',
    message: `${path}: written by a newer release`,
  })
})

test.each(
  Object.entries(openings),
)('a database of something else is refused and left alone, opened %s', async (_, open) => {
  const path = join(temporaryFolder(), 'log.sqlite')
  changeDatabase(path, 'CREATE TABLE other (a)', 'PRAGMA application_id = 7', 'PRAGMA user_version = 1')
  const before = readFileSync(path)
  await expect(open(path)).rejects.toMatchObject({ code: 'database-unusable' })
  expect(readFileSync(path).equals(before)).toBe(true)
})

test.each(
  Object.entries(openings),
)('a file that is no database is refused and left alone, opened %s', async (_, open) => {
  const path = join(temporaryFolder(), 'log.sqlite')
  writeFileSync(path, 'Dear diary,\n'.repeat(1000))
  await expect(open(path)).rejects.toMatchObject({ code: 'database-unusable' })
  expect(readFileSync(path, 'utf8')).toBe('Dear diary,\n'.repeat(1000))
})

test('recordedAt stands still while the clock goes back', () => {
  const path = join(temporaryFolder(), 'log.sqlite')
  const times = ['2026-03-01T12:00:00', '2026-03-01T11:00:00', '2026-03-01T13:00:00'].map(instant)
  const appender = new SqliteAppender(path, WRITER, () => times.shift() ?? instant('2026-03-01T14:00:00'))
  onTestFinished(() => appender.close())
  for (const hour of ['10', '11', '12'])
    appender.append([{ stream, event: placeBody(optIn(`2026-02-01T${hour}:00:00.000000`)).event }])
  expect(recordedTimes(path)).toEqual([
    '2026-03-01T12:00:00.000000Z',
    '2026-03-01T12:00:00.000000Z',
    '2026-03-01T13:00:00.000000Z',
  ])
})

test('recordedAt does not go back behind what another process recorded', () => {
  const path = join(temporaryFolder(), 'log.sqlite')
  for (const [body, time] of [
    [event, '2026-03-01T12:00:00'],
    [later, '2026-03-01T09:00:00'],
  ] as const) {
    const appender = new SqliteAppender(path, WRITER, () => instant(time))
    appender.append([{ stream, event: body }])
    appender.close()
  }
  expect(recordedTimes(path)).toEqual(['2026-03-01T12:00:00.000000Z', '2026-03-01T12:00:00.000000Z'])
})

test('a batch that fails stores nothing of it, and the next one is stored', () => {
  const path = join(temporaryFolder(), 'log.sqlite')
  const appender = new SqliteAppender(path, WRITER, () => instant('2026-03-01T12:00:00'))
  onTestFinished(() => appender.close())
  const broken = { ...later, json: 'not what SQLite takes\ud800', id: 'zz', canonicalData: '{}' }
  changeDatabase(
    path,
    "CREATE TRIGGER no_more BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END",
  )
  expect(() =>
    appender.append([
      { stream, event },
      { stream, event: broken },
    ]),
  ).toThrow('full')
  changeDatabase(path, 'DROP TRIGGER no_more')
  expect(appender.append([{ stream, event }])).toEqual([{ duplicate: false, revision: 0, position: 1 }])
})

function recordedTimes(path: string): unknown[] {
  const db = new DatabaseSync(path, { readOnly: true })
  try {
    return db
      .prepare("SELECT metadata ->> '$.recordedAt' AS at FROM events ORDER BY position")
      .all()
      .map(({ at }) => at)
  } finally {
    db.close()
  }
}
