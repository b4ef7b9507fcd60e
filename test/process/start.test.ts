import { spawnSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { Recorded } from '../../src/http/schemas.ts'
import { optIn } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, LedgerProcess } from './ledger-process.ts'

test('the first start writes a config that its owner alone can read, and shows curl lines that work as printed', async () => {
  const folder = join(temporaryFolder(), 'data')
  const ledger = await LedgerProcess.start(folder)
  await vi.waitFor(() => expect(ledger.out).toContain('/docs\n'))
  expect(statSync(join(folder, 'config.json')).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)

  const [first = '', second = ''] = ledger.out.split('\n\n').filter((part) => part.startsWith('curl '))
  const bash = (script: string) => spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout
  expect(JSON.parse(bash(first))).toMatchObject({ result: 'recorded', revision: 0 })
  expect(JSON.parse(bash(first))).toMatchObject({ result: 'duplicate', revision: 0 })
  expect(JSON.parse(bash(second))).toMatchObject({
    items: [{ type: 'shop.incoming_message', data: { event_data: { body: 'Hello, world' } } }],
  })

  const [, key = ''] = /API key +(\S+)/.exec(ledger.out) ?? []
  const config = readFileSync(join(folder, 'config.json'), 'utf8')
  expect(key).toMatch(/^lk_/)
  expect(config).not.toContain(key)
  expect(await ledger.stop()).toBe(0)
  expect(ledger.err).toBe('')

  const again = await LedgerProcess.start(folder)
  const [, token = ''] = /signing token +(\S+)/.exec(ledger.out) ?? []
  expect(config).toContain(token)
  expect(again.out).not.toContain(token)
  expect(again.out).not.toContain('API key')
  expect(readFileSync(join(folder, 'config.json'), 'utf8')).toBe(config)
  expect(await again.stop()).toBe(0)
})

test('stopping finishes what is under way, and ends with 0', async () => {
  const folder = temporaryFolder()
  configure(folder)
  const ledger = await LedgerProcess.start(folder)
  const posts = Array.from({ length: 200 }, (_, index) =>
    ledger.post(optIn('2026-03-01T10:00:00', { number: index })).then(
      ({ status }) => status,
      () => 0,
    ),
  )
  await Promise.any(posts)
  expect(await ledger.stop()).toBe(0)
  const statuses = await Promise.all(posts)
  // Those under way are answered; those that wait for a connection find nobody there.
  expect(new Set(statuses).isSubsetOf(new Set([200, 503, 0]))).toBe(true)
  const kept = statuses.filter((status) => status === 200).length
  expect(kept).toBeGreaterThan(0)
  expect(ledger.err).toBe('')

  const again = await LedgerProcess.start(folder)
  const { body } = await again.post(optIn('2026-03-02T10:00:00'))
  expect(Recorded.parse(JSON.parse(body)).revision).toBeGreaterThanOrEqual(kept)
  await again.stop()
})
