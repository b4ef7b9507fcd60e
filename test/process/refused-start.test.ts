import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'vitest'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { selfSigned } from '../event-store/eventstoredb/double/certificate.ts'
import { startDouble } from '../event-store/eventstoredb/stores.ts'
import { optIn, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, environment, type Finished, LEDGER, LedgerProcess } from './ledger-process.ts'

/** What is prepared in a data folder to be refused, the settings to start with, and what the one line must say. */
interface Mistake {
  readonly what: string
  readonly prepare?: (folder: string, finished: Finished) => Promise<NodeJS.ProcessEnv>
  readonly env?: NodeJS.ProcessEnv
  readonly says: readonly string[]
}

const mistakes: readonly Mistake[] = [
  { what: 'a variable', env: { PORT: 'three' }, says: ['PORT'] },
  { what: 'a host that there is not', env: { HOST: 'no-such-host.invalid' }, says: ['no-such-host.invalid'] },
  {
    what: 'a config that is no JSON',
    prepare: async (folder) => writeConfig(folder, '{"shops":[{"signingTokens":["secret-token'),
    says: ['config.json: is not JSON'],
  },
  {
    what: 'a config with a mistake in it',
    prepare: async (folder) => writeConfig(folder, '{"shops":[]}'),
    says: ['config.json: shops'],
  },
  {
    what: 'a config that is gone, beside a log that is there',
    prepare: async (folder, finished) => {
      await (await LedgerProcess.start(folder, finished)).stop()
      rmSync(join(folder, 'config.json'))
      return {}
    },
    says: ['config.json: there is no such file'],
  },
  {
    what: 'a folder for the config that is not there',
    env: { LEDGER_CONFIG: '/nowhere/at/all.json' },
    says: ['/nowhere/at/all.json'],
  },
  {
    what: 'a data folder that is a file',
    prepare: async (folder) => ({ LEDGER_DATA: join(folder, 'config.json') }),
    says: ['config.json'],
  },
  {
    what: 'a port that is taken',
    prepare: async (_, finished) => ({ PORT: String(await takePort(finished)) }),
    says: ['EADDRINUSE'],
  },
  {
    what: 'a log of a newer release',
    prepare: async (folder) => {
      const path = join(folder, 'log.sqlite')
      await (await SqliteEventStore.open({ path, writer: 'folder-1' })).close()
      const db = new DatabaseSync(path)
      db.exec('PRAGMA user_version = 99')
      db.close()
      return {}
    },
    says: ['log.sqlite: written by a newer release'],
  },
  {
    what: 'a log that is no database',
    prepare: async (folder) => {
      writeFileSync(join(folder, 'log.sqlite'), 'Dear diary,\n'.repeat(1000))
      return {}
    },
    says: ['log.sqlite: is damaged, or no database'],
  },
  {
    what: 'projections that were built from another log',
    prepare: async (folder, finished) => {
      const other = temporaryFolder(finished)
      configure(other)
      const ledger = await LedgerProcess.start(other, finished)
      await ledger.post(optIn('2026-03-01T10:00:00'))
      await ledger.get(`/v1/shops/${SHOP}/consent?phone=%2B15550100001`)
      await ledger.stop()
      cpSync(join(other, 'projections'), join(folder, 'projections'), { recursive: true })
      return {}
    },
    says: ['projections', 'was built from another log'],
  },
  {
    what: 'an address of EventStoreDB that is none',
    env: { EVENTSTOREDB_URL: 'esdb://ledger:secret-token@localhost:2113?tls=perhaps' },
    says: ['EVENTSTOREDB_URL: the option tls must be true or false'],
  },
  {
    what: 'a password that EventStoreDB refuses',
    prepare: async (folder, finished) => {
      const { port, ca } = await secureServer(folder, finished)
      return { EVENTSTOREDB_URL: `esdb://ledger:secret-token@localhost:${port}?tlsCAFile=${ca}` }
    },
    says: ['EventStoreDB refuses the user or the password'],
  },
  {
    what: 'a certificate of EventStoreDB that is not trusted',
    prepare: async (folder, finished) => {
      const { port } = await secureServer(folder, finished)
      return { EVENTSTOREDB_URL: `esdb://ledger:right@localhost:${port}` }
    },
    says: ["EventStoreDB's certificate is not trusted"],
  },
  {
    what: 'TLS to an EventStoreDB that speaks none',
    prepare: async (_, finished) => {
      const { port } = await startDouble({}, finished)
      return { EVENTSTOREDB_URL: `esdb://ledger:secret-token@localhost:${port}?tls=true` }
    },
    says: ['EventStoreDB does not speak TLS there', 'tls=false'],
  },
  {
    what: 'a folder with a log of its own, and an EventStoreDB',
    prepare: async (folder, finished) => {
      await (await LedgerProcess.start(folder, finished)).stop()
      const { url } = await startDouble({}, finished)
      return { EVENTSTOREDB_URL: url }
    },
    says: ['keeps a log of its own', '"ledger copy"'],
  },
  {
    what: 'the folder of a log in EventStoreDB, without its address',
    prepare: async (folder, finished) => {
      const { url } = await startDouble({}, finished)
      const ledger = await LedgerProcess.run(folder, { EVENTSTOREDB_URL: url }, finished).listening()
      await ledger.stop()
      return {}
    },
    says: ['belongs to a log in EventStoreDB', 'set EVENTSTOREDB_URL'],
  },
  {
    what: 'the folder of a log in EventStoreDB, with the address of another',
    prepare: async (folder, finished) => {
      const { url } = await startDouble({}, finished)
      const ledger = await LedgerProcess.run(folder, { EVENTSTOREDB_URL: url }, finished).listening()
      await ledger.stop()
      return { EVENTSTOREDB_URL: (await startDouble({}, finished)).url }
    },
    says: ['EventStoreDB holds another log'],
  },
]

/** One that knows a user, under a certificate of its own. */
async function secureServer(folder: string, finished: Finished) {
  const tls = selfSigned()
  const ca = join(folder, 'ca.crt')
  writeFileSync(ca, tls.cert)
  const { port } = await startDouble({ tls, users: { ledger: 'right' } }, finished)
  return { port, ca: encodeURIComponent(ca) }
}

describe('what is wrong is said in one line, without a stack or a secret, and the exit code is not 0', () => {
  test.concurrent.for(mistakes)('$what', async ({ prepare, env, says }, { expect, onTestFinished }) => {
    const folder = temporaryFolder(onTestFinished)
    configure(folder)
    const prepared = await prepare?.(folder, onTestFinished)
    const ledger = LedgerProcess.run(folder, { ...env, ...prepared }, onTestFinished)
    const code = await ledger.exited
    expect(ledger.err).toMatch(/^error: [^\n]+\n$/)
    for (const words of says) expect(ledger.err).toContain(words)
    expect(ledger.err).not.toContain('secret-token')
    expect(ledger.out).not.toContain('listening')
    expect(code).toBeGreaterThan(0)
  })

  // It waits ten seconds for an older process to end.
  test.concurrent('a second ledger on one data folder is told who has it, and does the first no harm', async ({
    expect,
    onTestFinished,
  }) => {
    const folder = temporaryFolder(onTestFinished)
    configure(folder)
    const first = await LedgerProcess.start(folder, onTestFinished)
    const second = LedgerProcess.run(folder, {}, onTestFinished)
    expect(await second.exited).toBeGreaterThan(0)
    expect(second.err).toMatch(
      new RegExp(`^error: data folder ${folder} is in use by process ${first.child.pid} on .+ since .+Z\\n$`),
    )
    expect((await first.post(optIn('2026-03-01T10:00:00'))).status).toBe(200)
    expect(await first.stop()).toBe(0)
  })

  const OLD_NODE = '/usr/bin/node'
  const version = majorVersion(OLD_NODE)
  test.skipIf(!(version < 24))(`a Node that is too old (${OLD_NODE} is ${version})`, ({ expect }) => {
    const { stdout, stderr, status } = spawnSync(OLD_NODE, [LEDGER, 'start'], {
      encoding: 'utf8',
      env: environment('/nowhere'),
    })
    expect(stderr).toMatch(/^ledger needs Node 24 or newer; this is \d+\.\d+\.\d+\n$/)
    expect(stdout).toBe('')
    expect(status).toBe(1)
  })
})

async function writeConfig(folder: string, text: string): Promise<NodeJS.ProcessEnv> {
  writeFileSync(join(folder, 'config.json'), text)
  return {}
}

async function takePort(finished: Finished): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  finished(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function majorVersion(node: string): number {
  if (!existsSync(node)) return Number.NaN
  return Number(/^v(\d+)/.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1])
}
