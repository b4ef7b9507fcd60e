import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigMistake, readSettings } from '../../src/config.ts'

test('nothing has to be set', () => {
  expect(readSettings({})).toEqual({
    host: '127.0.0.1',
    port: 3000,
    dataFolder: './data',
    configPath: join('data', 'config.json'),
    eventStoreDbUrl: null,
    spoolBytes: 10 * 1024 ** 3,
    postscriptApiUrl: 'https://api.postscript.io',
    logLevel: 'info',
  })
})

test('the config is looked for in the data folder, unless it is elsewhere', () => {
  expect(readSettings({ LEDGER_DATA: '/var/x' }).configPath).toBe('/var/x/config.json')
  expect(readSettings({ LEDGER_DATA: '/var/x', LEDGER_CONFIG: '/etc/l.json' }).configPath).toBe('/etc/l.json')
})

test('an EventStoreDB is taken as it is given', () => {
  const url = 'esdb://ledger:secret@one:2113,two:2113?tlsCAFile=/dev/null'
  expect(readSettings({ EVENTSTOREDB_URL: url }).eventStoreDbUrl).toBe(url)
})

test('port 0 means any that is free', () => {
  expect(readSettings({ PORT: '0' }).port).toBe(0)
})

test.each([
  ['PORT', 'three'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['PORT', ''],
  ['HOST', ''],
  ['LEDGER_DATA', ''],
  ['LEDGER_CONFIG', ''],
  ['LOG_LEVEL', 'loud'],
  ['POSTSCRIPT_API_URL', 'api.postscript.io'],
  ['POSTSCRIPT_API_URL', 'ftp://user:secret-in-url@api.postscript.io'],
  ['EVENTSTOREDB_URL', 'http://admin:secret-in-url@localhost:2113'],
  ['EVENTSTOREDB_URL', 'esdb://localhost:2113'],
  ['EVENTSTOREDB_URL', ''],
  ['LEDGER_SPOOL_BYTES', '1 GB'],
  ['LEDGER_SPOOL_BYTES', '1024'],
])('a mistake is told in one line that names the variable: %s=%s', (name, value) => {
  const mistake = mistakeIn(() => readSettings({ [name]: value }))
  expect(mistake).toMatch(new RegExp(`^${name}: `))
  expect(mistake).not.toContain('\n')
  if (value.length > 3) expect(mistake).not.toContain(value)
})

function mistakeIn(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigMistake) return error.message
    throw error
  }
  throw new Error('nothing was refused')
}
