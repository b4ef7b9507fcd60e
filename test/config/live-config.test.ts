import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ConfigMistake } from '../../src/config.ts'
import { CONFIG, key, READER, runApp, TOKEN } from '../http/running-app.ts'
import { optIn } from '../ledger/deliveries.ts'

const NEW_TOKEN = 'token-that-was-added'
const NEW_KEY = 'lk_that_was_added'
const [shop, ...otherShops] = CONFIG.shops
const withTokens = (...signingTokens: string[]) => ({
  ...CONFIG,
  shops: [
    { ...shop, signingTokens },
    ...otherShops.map((one) => ({ ...one, signingTokens: ['token-of-others'] })),
  ],
})

/** An app that follows its config file; `reloads` has a mistake, or null, for each time it was read. */
async function watching() {
  const ledger = await runApp()
  const reloads: (ConfigMistake | null)[] = []
  ledger.config.watch((mistake) => reloads.push(mistake))
  onTestFinished(() => ledger.config.close())
  const write = (config: object) => writeFileSync(ledger.configPath, JSON.stringify(config))
  let sent = 0
  const statusWith = async (token: string) => {
    const body = optIn('2026-03-01T10:00:00', { note: sent++ })
    return (await ledger.post(body, { 'postscript-signature': token })).statusCode
  }
  const statusFor = async (secret: string) =>
    (await ledger.get(`/v1/shops/${shop?.id}/subscribers`, secret)).statusCode
  return { ...ledger, reloads, write, statusWith, statusFor }
}

const soon = { timeout: 10_000, interval: 20 }

test('a token that was added is good, and one that was removed is dead', async () => {
  const { write, statusWith } = await watching()
  expect(await statusWith(NEW_TOKEN)).toBe(401)
  write(withTokens(TOKEN, NEW_TOKEN))
  await vi.waitFor(async () => expect(await statusWith(NEW_TOKEN)).toBe(200), soon)
  expect(await statusWith(TOKEN)).toBe(200)
  write(withTokens(NEW_TOKEN))
  await vi.waitFor(async () => expect(await statusWith(TOKEN)).toBe(401), soon)
  expect(await statusWith(NEW_TOKEN)).toBe(200)
})

test('a key that was added is good, and one that was removed is dead', async () => {
  const { write, statusFor } = await watching()
  const [reader] = CONFIG.apiKeys
  const added = key('new', NEW_KEY, ['read'], ['*'])
  expect(await statusFor(NEW_KEY)).toBe(401)
  write({ ...CONFIG, apiKeys: [reader, added] })
  await vi.waitFor(async () => expect(await statusFor(NEW_KEY)).toBe(200), soon)
  expect(await statusFor(READER)).toBe(200)
  write({ ...CONFIG, apiKeys: [added] })
  await vi.waitFor(async () => expect(await statusFor(READER)).toBe(401), soon)
})

test('a shop that was added can be told of and read', async () => {
  const { write, record, read } = await watching()
  const body = { ...optIn('2026-03-01T10:00:00'), resource_id: 'shop_added' }
  expect((await record(body)).stream).toContain('postscript.unplaced-')
  write({ ...CONFIG, shops: [...CONFIG.shops, { id: 'shop_added', signingTokens: [TOKEN] }] })
  await vi.waitFor(async () => expect((await read('/subscribers', 'shop_added')).statusCode).toBe(200), soon)
  expect((await record(body)).stream).toContain('postscript.subscriber-shop_added.')
})

test('a file that is replaced whole is read too', async () => {
  const { configPath, statusWith } = await watching()
  writeFileSync(`${configPath}.new`, JSON.stringify(withTokens(NEW_TOKEN)))
  renameSync(`${configPath}.new`, configPath)
  await vi.waitFor(async () => expect(await statusWith(NEW_TOKEN)).toBe(200), soon)
})

test.each<[string, (path: string) => void]>([
  ['is no JSON', (path) => writeFileSync(path, JSON.stringify(withTokens(NEW_TOKEN)).slice(0, -1))],
  ['is empty', (path) => writeFileSync(path, '')],
  ['has a mistake in it', (path) => writeFileSync(path, JSON.stringify({ ...withTokens(NEW_TOKEN), x: 1 }))],
  ['is gone', (path) => rmSync(path)],
])('a file that %s changes nothing, is reported without a secret, and is read again when mended', async (_, harm) => {
  const { configPath, reloads, write, statusWith } = await watching()
  harm(configPath)
  await vi.waitFor(() => expect(reloads).toHaveLength(1), soon)
  expect(reloads[0]).toBeInstanceOf(ConfigMistake)
  expect(reloads[0]?.message.startsWith(`${configPath}: `)).toBe(true)
  expect(reloads[0]?.message).not.toContain(NEW_TOKEN)
  expect(await statusWith(TOKEN)).toBe(200)
  expect(await statusWith(NEW_TOKEN)).toBe(401)

  write(withTokens(NEW_TOKEN))
  await vi.waitFor(async () => expect(await statusWith(NEW_TOKEN)).toBe(200), soon)
  expect(reloads.at(-1)).toBeNull()
})

test('what is written after the file was read and before it is followed is not missed', async () => {
  const ledger = await runApp()
  writeFileSync(ledger.configPath, JSON.stringify(withTokens(NEW_TOKEN)))
  ledger.config.watch(() => {})
  const headers = { 'postscript-signature': NEW_TOKEN }
  await vi.waitFor(async () => expect((await ledger.post('{}', headers)).statusCode).toBe(200), soon)
})
