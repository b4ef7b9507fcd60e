import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { message } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, environment, KEY, LEDGER, LedgerProcess } from './ledger-process.ts'

let ledger: LedgerProcess
beforeEach(async () => {
  const folder = temporaryFolder()
  configure(folder)
  ledger = await LedgerProcess.start(folder)
  await Promise.all(
    Array.from({ length: 300 }, (_, number) =>
      ledger.post(message('2026-03-01T10:00:00', { id: `im_${number}` })),
    ),
  )
})

async function rebuild(
  names: readonly string[],
  env: NodeJS.ProcessEnv = { LEDGER_KEY: KEY },
  url = ledger.url,
) {
  const child = spawn(process.execPath, [LEDGER, 'rebuild', ...names, '--url', url], {
    env: { ...environment('/nowhere'), ...env },
    stdio: 'pipe',
  })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const [code] = await once(child, 'close')
  return { code: Number(code), out, err }
}

test.skipIf(process.platform !== 'linux')(
  'the builder runs only while it builds, and gives way to the threads that serve',
  async () => {
    /** How much each thread of the ledger gives way, as the operating system counts. */
    const nice = () => {
      const tasks = `/proc/${ledger.child.pid}/task`
      return readdirSync(tasks).map((task) => {
        const [, afterName = ''] = readFileSync(join(tasks, task, 'stat'), 'utf8').split(') ')
        return Number(afterName.split(' ')[16])
      })
    }
    expect(nice().every((steps) => steps === 0)).toBe(true)
    const rebuilt = rebuild([])
    await vi.waitFor(() => expect(nice().filter((steps) => steps > 0)).toHaveLength(1), {
      timeout: 10_000,
      interval: 5,
    })
    await rebuilt
    await vi.waitFor(() => expect(nice().every((steps) => steps === 0)).toBe(true))
  },
)

test('ledger rebuild waits until what is named is read, and says so', async () => {
  const { code, out, err } = await rebuild(['unplaced', 'subscriber-status', 'unplaced'])
  expect(err).toBe('')
  expect(out).toBe('subscriber-status: generation 2 is read\nunplaced: generation 2 is read\n')
  expect(code).toBe(0)
})

test('ledger rebuild without a name is of all', async () => {
  const { code, out } = await rebuild([])
  expect(out.split('\n').filter((line) => line.endsWith(': generation 2 is read')).length).toBeGreaterThan(3)
  expect(code).toBe(0)
})

test('a mistake is said in one line, and is no success', async () => {
  const unknown = await rebuild(['nothing'])
  expect(unknown.err).toMatch(/^error: no projection is called nothing; there are: subscriber-status, .+\n$/)
  const refused = await rebuild(['unplaced'], { LEDGER_KEY: 'lk_nobody' })
  expect(refused.err).toBe('error: the ledger answers 401, unauthorized: there is no such key\n')
  const nobody = await rebuild(['unplaced'], { LEDGER_KEY: KEY }, 'http://127.0.0.1:9')
  expect(nobody.err).toMatch(/^error: http:\/\/127\.0\.0\.1:9 does not answer.*\n$/)
  const keyless = await rebuild(['unplaced'], {})
  expect(keyless.err).toContain("required option '--key <key>'")
  for (const { code, out } of [unknown, refused, nobody, keyless]) {
    expect(code).toBeGreaterThan(0)
    expect(out).toBe('')
  }
})
