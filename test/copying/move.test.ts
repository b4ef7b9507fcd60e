import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCopy } from '../../src/copying/run.ts'
import { placeOf } from '../../src/copying/target.ts'
import { DataFolder } from '../../src/data-folder.ts'
import { LOG } from '../../src/event-store/sqlite/schema.ts'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { openForWriting } from '../../src/sqlite.ts'
import { optIn, optOut, placeBody } from '../ledger/deliveries.ts'
import { configure, environment, LEDGER } from '../process/ledger-process.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { MemoryLog } from './memory-log.ts'

const URL = 'esdb://admin:secret@esdb.test:2113?tls=true'
const PLACE = 'esdb://esdb.test:2113'
const ONE = '00000000-0000-4000-8000-000000000001'
const OTHER = '00000000-0000-4000-8000-000000000002'

/** A data folder with two events in its log and something that was built from them, and how it is moved. */
async function someFolder() {
  const folder = temporaryFolder()
  configure(folder)
  const path = join(folder, 'log.sqlite')
  const store = await SqliteEventStore.open({ path, writer: 'folder-1' })
  for (const body of [optIn('2026-03-01T10:00:00'), optOut('2026-03-01T11:00:00')]) {
    const { stream, event } = placeBody(body)
    await store.append(stream, event)
  }
  await store.close()
  mkdirSync(join(folder, 'projections', 'unplaced'), { recursive: true })
  const move = (target: MemoryLog) =>
    runCopy({ to: URL }, { LEDGER_DATA: folder }, async (url) => {
      expect(url).toBe(URL)
      return target
    })
  return { folder, path, move }
}

function ledger(folder: string, ...words: readonly string[]) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [LEDGER, ...words], {
    encoding: 'utf8',
    env: environment(folder),
  })
  return { stdout, stderr, status }
}

test('a log that was copied can be read, and nothing is appended to it', async () => {
  const { folder, path, move } = await someFolder()
  const target = new MemoryLog({ id: ONE })
  expect(await move(target)).toBe(
    `2 events copied to ${PLACE}; both logs are the same\n` +
      'Start with EVENTSTOREDB_URL from now on; the projections will be built anew.',
  )
  expect(target.entries).toHaveLength(2)

  await expect(SqliteEventStore.open({ path, writer: 'folder-1' })).rejects.toMatchObject({
    code: 'log-moved',
    message: expect.stringMatching(
      new RegExp(`^${path}: was moved to ${PLACE} at .+Z; start with EVENTSTOREDB_URL`),
    ),
  })
  const log = new SqliteLog(path)
  onTestFinished(() => log.close())
  expect(await log.readAll(null, 10)).toHaveLength(2)
  expect(ledger(folder, 'verify').stdout).toBe('2 events in 1 stream: every chain is whole\n')

  // Without what says to which log the folder belongs, as where the log alone was put back from a backup.
  rmSync(join(folder, 'folder.json'))
  const { stderr, status } = ledger(folder, 'start')
  expect(stderr).toMatch(/^error: [^\n]+ was moved to esdb:\/\/esdb\.test:2113 at [^\n]+\n$/)
  expect(status).toBe(1)
})

test('the folder is not started without EVENTSTOREDB_URL any more', async () => {
  const { folder, move } = await someFolder()
  await move(new MemoryLog({ id: ONE }))
  const { stderr, status } = ledger(folder, 'start')
  expect(stderr).toMatch(/^error: [^\n]+ EVENTSTOREDB_URL[^\n]+\n$/)
  expect(status).toBe(1)
})

test('the data folder goes along: its projections are built anew, and it belongs to the other log', async () => {
  const { folder, move } = await someFolder()
  await move(new MemoryLog({ id: ONE }))
  expect(existsSync(join(folder, 'projections'))).toBe(false)
  const open = await DataFolder.open(folder, '2026-03-01T10:00:00.000000Z', 0)
  onTestFinished(() => open.close())
  expect(open.log).toEqual({ engine: 'eventstoredb', id: ONE })
})

test('the source is locked while it is copied', async () => {
  const { folder, move } = await someFolder()
  const target = new MemoryLog({ id: ONE })
  target.onCopy = async () => {
    const opening = DataFolder.open(folder, '2026-03-01T10:00:00.000000Z', 0)
    await expect(opening).rejects.toMatchObject({ code: 'data-folder-in-use' })
  }
  await move(target)
  expect(target.copies).toBeGreaterThan(0)
})

test('one that fails leaves the log in use, and the next one goes on where it was', async () => {
  const { path, move } = await someFolder()
  const target = new MemoryLog({ id: ONE })
  target.expect({ stores: 1, error: new Error('killed') })
  await expect(move(target)).rejects.toThrow('killed')
  await (await SqliteEventStore.open({ path, writer: 'folder-1' })).close()
  expect(await move(target)).toContain(
    '2 events copied to esdb://esdb.test:2113, 1 of which were there before;',
  )
  expect(target.entries).toHaveLength(2)
})

test('moved once more to the same place: it says so, and copies nothing', async () => {
  const { move } = await someFolder()
  const target = new MemoryLog({ id: ONE })
  await move(target)
  const { copies } = target
  expect(await move(target)).toMatch(/^this log was moved to esdb:\/\/esdb\.test:2113 at .+Z already\n/)
  expect(target.copies).toBe(copies)
})

test('moved once more to another place: refused', async () => {
  const { move } = await someFolder()
  await move(new MemoryLog({ id: ONE }))
  const other = new MemoryLog({ id: OTHER })
  await expect(move(other)).rejects.toMatchObject({ code: 'log-moved' })
  expect(other.entries).toHaveLength(0)
})

test('a log of the release before is brought forward, and moved', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'log.sqlite')
  const old = openForWriting(path, { ...LOG, migrations: LOG.migrations.slice(0, 1) }, [])
  old.exec(`INSERT INTO log (id) VALUES ('${OTHER}')`)
  old.close()
  const target = new MemoryLog({ id: ONE })
  expect(await runCopy({ to: URL }, { LEDGER_DATA: folder }, async () => target)).toMatch(/^0 events copied /)
  await expect(SqliteEventStore.open({ path, writer: 'folder-1' })).rejects.toMatchObject({
    code: 'log-moved',
  })
})

test('a folder without a log is refused in one line, and none is made', () => {
  const folder = join(temporaryFolder(), 'data')
  expect(ledger(folder, 'copy', '--to', URL)).toEqual({
    stdout: '',
    stderr: `error: ${folder}: there is no log in it\n`,
    status: 1,
  })
  expect(existsSync(folder)).toBe(false)
})

test.each([
  ['https://admin:secret@esdb.test', 'error: --to must be esdb://'],
  ['esdb://admin:secret@esdb.test?colour=red', 'error: --to the option colour is unknown'],
])('an address that is none is refused in one line that quotes no password: %s', async (url, said) => {
  const { folder } = await someFolder()
  const { stderr, status } = ledger(folder, 'copy', '--to', url)
  expect(stderr).toContain(said)
  expect(stderr).toMatch(/^[^\n]+\n$/)
  expect(stderr).not.toContain('secret')
  expect(status).toBe(1)
})

test('where a log is can be said without the password', () => {
  expect(placeOf('esdb://admin:p%40ss@a.test:2113,b.test:2113/?tls=true&tlsCAFile=/x')).toBe(
    'esdb://a.test:2113,b.test:2113',
  )
  expect(placeOf('esdb+discover://admin:pa@ss@a.test')).toBe('esdb+discover://a.test')
  expect(placeOf('esdb://127.0.0.1:2113?tls=false')).toBe('esdb://127.0.0.1:2113')
})
