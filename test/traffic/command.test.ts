import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { trafficCommand } from '../../src/commands/traffic.ts'
import { finalReport } from '../../src/traffic/report.ts'
import { say, standIn } from './ledger-stand-in.ts'

const CONFIG = {
  shops: [
    { id: 'shop_1234567abcd', signingTokens: ['secret-new', 'secret-old'], timeZone: 'America/New_York' },
    { id: 'shop_2345678bcde', signingTokens: ['secret-other'] },
  ],
  apiKeys: [],
}

afterEach(() => {
  vi.restoreAllMocks()
})

async function configFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'traffic-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'config.json')
  await writeFile(path, text)
  return path
}

/** Runs the command in this process: what it prints, and the exit code of a refusal. */
async function run(...words: string[]) {
  let out = ''
  let refusal = ''
  vi.spyOn(console, 'log').mockImplementation((text: string) => {
    out += text
  })
  const command = trafficCommand()
    .exitOverride()
    .configureOutput({
      writeErr: (text) => {
        refusal += text
      },
    })
  const exitCode = await command.parseAsync(words, { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      if (error instanceof CommanderError) return error.exitCode
      throw error
    },
  )
  return { out, refusal, exitCode }
}

test('it sends the story of the shops in the config and says what came of it', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  const config = await configFile(JSON.stringify(CONFIG))
  const { out, exitCode } = await run('--url', ledger.url, '--config', config, '--deliveries', '200')
  expect(exitCode).toBe(0)
  expect(out).toMatch(/^sent +200 in /)
  expect(out).toMatch(/^recorded +200 /m)
  const signatures = ledger.posts.filter(({ path }) => path.startsWith('POST')).map((post) => post.signature)
  expect(new Set(signatures)).toEqual(new Set(['secret-new', 'secret-other']))
})

test('it can be kept to the first of several shops', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  const config = await configFile(JSON.stringify(CONFIG))
  await run('--url', ledger.url, '--config', config, '--deliveries', '50', '--shops', '1')
  const signatures = ledger.posts.filter(({ path }) => path.startsWith('POST')).map((post) => post.signature)
  expect(new Set(signatures)).toEqual(new Set(['secret-new']))
})

test('no ledger there: one line says so', async () => {
  const config = await configFile(JSON.stringify(CONFIG))
  const { refusal, exitCode } = await run('--url', 'http://127.0.0.1:1', '--config', config)
  expect(refusal).toBe('error: no ledger can be reached at http://127.0.0.1:1 (ECONNREFUSED)\n')
  expect(exitCode).toBe(1)
})

test.each<[string, string, string]>([
  ['is not JSON', '{"shops": [{"signingTokens": ["secret-new" "', 'is not JSON'],
  ['names no shop', '{"shops": []}', 'shops: must hold at least one shop'],
  ['has a shop without a token', '{"shops": [{"id": "a", "signingTokens": []}]}', 'shops.0.signingTokens: '],
  [
    'has a token that cannot be sent',
    '{"shops": [{"id": "a", "signingTokens": ["secret-\\n"]}]}',
    'visible ASCII',
  ],
  ['has no id', '{"shops": [{"signingTokens": ["secret-new"]}]}', 'shops.0.id: '],
])('a config that %s is refused in one line that quotes no token', async (_, text, message) => {
  const { refusal, exitCode } = await run('--config', await configFile(text))
  expect(refusal).toMatch(/^error: .*config.json: .*\n$/)
  expect(refusal).toContain(message)
  expect(refusal).not.toContain('secret')
  expect(exitCode).toBe(1)
})

test('a config that is not there is named', async () => {
  const { refusal, exitCode } = await run('--config', '/nowhere/config.json')
  expect(refusal).toBe('error: /nowhere/config.json: there is no such file\n')
  expect(exitCode).toBe(1)
})

test.each([
  ['--rate', '0'],
  ['--rate', 'fast'],
  ['--deliveries', '1.5'],
  ['--subscribers', '0'],
  ['--connections', '-1'],
  ['--url', 'localhost:3000'],
])('%s %s is refused in one line', async (option, value) => {
  const { refusal, exitCode } = await run(option, value)
  expect(refusal).toMatch(/^error: .*\n$/)
  expect(exitCode).toBe(1)
})

test.each([
  ['--start', 'yesterday', 'not an instant: yesterday'],
  ['--shops', '3', 'has 2'],
])('%s %s is refused in one line', async (option, value, message) => {
  const config = await configFile(JSON.stringify(CONFIG))
  const { refusal, exitCode } = await run('--config', config, option, value)
  expect(refusal).toMatch(/^error: .*\n$/)
  expect(refusal).toContain(message)
  expect(exitCode).toBe(1)
})

test('the report says what was spooled, cut off and retried where there was such a thing', () => {
  const latencyMs = { p50: 1, p90: 2, p99: 30, max: 40 }
  const none = { recorded: 0, duplicate: 0 }
  const counts = { sent: 3, recorded: 0, duplicate: 0, spooled: 2, failed: 0, cutOff: 1, retries: 4 }
  const answers = { '200': 2, '503': 5 }
  const report = finalReport({ ...counts, expected: none, answers, latencyMs, elapsedMs: 2000 })
  expect(report.split('\n')).toEqual([
    'sent       3 in 2.0 s, 1 per second',
    'recorded   0  (a ledger new to this story: 0)',
    'duplicate  0  (a ledger new to this story: 0)',
    'spooled    2',
    'failed     0',
    'cut off    1  (no answer when it was stopped)',
    'retries    4',
    'answers    200: 2, 503: 5',
    'latency    p50 1.0 ms, p90 2.0 ms, p99 30 ms, max 40 ms',
  ])
})
