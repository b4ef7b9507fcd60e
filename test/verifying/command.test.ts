import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { changeDatabase } from '../change-database.ts'
import { optIn } from '../ledger/deliveries.ts'
import { configure, environment, LEDGER, LedgerProcess } from '../process/ledger-process.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { someLog, streamOf, tamperWith } from './tampering.ts'

/** Runs `ledger verify` on a data folder. */
function verifying(folder: string, env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ stdout: string; stderr: string; code: unknown }>((resolve) => {
    const options = { env: environment(folder, env) }
    execFile(process.execPath, [LEDGER, 'verify'], options, (error, stdout, stderr) =>
      resolve({ stdout, stderr, code: error === null ? 0 : error.code }),
    )
  })
}

test('a whole log: one line, exit code 0', async () => {
  const path = someLog()
  expect(await verifying(dirname(path))).toEqual({
    stdout: '24 events in 4 streams: every chain is whole\n',
    stderr: '',
    code: 0,
  })
})

test('a log that somebody has changed: one line that names the event, exit code 1', async () => {
  const path = someLog()
  tamperWith(path).exec('DELETE FROM events WHERE position = 10')
  expect(await verifying(dirname(path))).toEqual({
    stdout: `${streamOf(1)}, revision 3, position 0000000000000014: missing: there is no revision 2 before it\n`,
    stderr: '',
    code: 1,
  })
})

test('a name that is more than a line is still one line', async () => {
  const path = someLog()
  tamperWith(path).exec("UPDATE streams SET name = 'a' || char(10) || char(27) || 'b' WHERE id = 1")
  expect((await verifying(dirname(path))).stdout).toMatch(/^a\?\?b, revision 0, [^\n]+\n$/)
})

test('beside a ledger that runs', async () => {
  const folder = temporaryFolder()
  configure(folder)
  const ledger = await LedgerProcess.start(folder)
  for (const hour of ['10', '11', '12']) await ledger.post(optIn(`2026-03-01T${hour}:00:00`))
  expect(await verifying(folder)).toMatchObject({
    stdout: '3 events in 1 stream: every chain is whole\n',
    code: 0,
  })
  await ledger.post(optIn('2026-03-01T13:00:00'))
  expect(await ledger.stop()).toBe(0)
  expect(await verifying(folder)).toMatchObject({
    stdout: '4 events in 1 stream: every chain is whole\n',
    code: 0,
  })
})

test.each<[what: string, damage: (path: string) => void, said: string]>([
  [
    'that is no database',
    (path) => writeFileSync(path, 'Dear diary,\n'.repeat(1_000)),
    'is damaged, or no database',
  ],
  [
    'of a newer release',
    (path) => changeDatabase(path, 'PRAGMA user_version = 99'),
    'written by a newer release',
  ],
  ['with pages that are damaged', damagePages, 'the log cannot be read: database disk image is malformed'],
])('a log %s: one line, exit code 2', async (_, damage, said) => {
  const path = someLog()
  damage(path)
  const { stdout, stderr, code } = await verifying(dirname(path))
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^error: [^\n]+\n$/)
  expect(stderr).toContain(said)
  expect(code).toBe(2)
})

test('no log, or a mistake in the settings: one line, exit code 2', async () => {
  const folder = join(temporaryFolder(), 'data')
  expect(await verifying(folder)).toEqual({
    stdout: '',
    stderr: `error: ${folder}: there is no log in it\n`,
    code: 2,
  })
  expect(await verifying(folder, { PORT: 'three' })).toMatchObject({
    stderr: expect.stringMatching(/^error: PORT/),
    code: 2,
  })
})

// All but the first page, which says what there is.
function damagePages(path: string): void {
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.fill(0xaa, 4096 * 3))
}
