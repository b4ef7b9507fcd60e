import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ConfigMistake, readConfig } from '../../src/config.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const SECRET = 'token-that-nobody-may-see'
const DIGEST = 'ab'.repeat(32)
const SHOP = { id: 'shop_1', signingTokens: [SECRET] }
const KEY = { name: 'desk', sha256: DIGEST, scopes: ['read'], shops: ['*'] }

function configFile(content: unknown): string {
  const path = join(temporaryFolder(), 'config.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** What is said of the file, without its path, which every mistake begins with. */
async function mistakeIn(path: string): Promise<string> {
  const error: unknown = await readConfig(path).then(
    () => null,
    (refusal: unknown) => refusal,
  )
  if (!(error instanceof ConfigMistake)) throw new Error('nothing was refused')
  expect(error.message.startsWith(`${path}: `)).toBe(true)
  expect(error.message).not.toContain('\n')
  expect(error.message).not.toContain(SECRET)
  return error.message.slice(path.length + 2)
}

test('what may be left out has a default', async () => {
  expect(await readConfig(configFile({ shops: [SHOP] }))).toEqual({
    shops: [{ ...SHOP, timeZone: 'UTC', region: 'US' }],
    apiKeys: [],
  })
})

test('a shop may have several tokens, and shops may share one', async () => {
  const shops = [
    { ...SHOP, signingTokens: [SECRET, 'another-token'] },
    { ...SHOP, id: 'shop_2' },
  ]
  expect((await readConfig(configFile({ shops }))).shops).toHaveLength(2)
})

describe('a mistake is told in one line that names file and field, and quotes no secret', () => {
  test('no file', async () => {
    expect(await mistakeIn(join(temporaryFolder(), 'none.json'))).toBe('there is no such file')
  })

  test('a folder in its place', async () => {
    expect(await mistakeIn(temporaryFolder())).toBe('cannot be read (EISDIR)')
  })

  test.each([
    ['nothing', ''],
    ['a comma too many', `{"shops":[{"id":"shop_1","signingTokens":["${SECRET}",]}]}`],
    ['a token cut in two', `{"shops":[{"id":"shop_1","signingTokens":["${SECRET}`],
  ])('no JSON: %s', async (_, text) => {
    expect(await mistakeIn(configFile(text))).toBe('is not JSON')
  })

  test.each<[string, unknown]>([
    ['shops', {}],
    ['shops', { shops: [] }],
    ['shops', { shops: SHOP }],
    ['shops.0', { shops: [SECRET] }],
    ['shops.0.id', { shops: [{ signingTokens: [SECRET] }] }],
    ['shops.0.id', { shops: [{ ...SHOP, id: 'shop.1' }] }],
    ['shops.1.id', { shops: [SHOP, SHOP] }],
    ['shops.0.signingTokens', { shops: [{ id: 'shop_1' }] }],
    ['shops.0.signingTokens', { shops: [{ ...SHOP, signingTokens: [] }] }],
    ['shops.0.signingTokens', { shops: [{ ...SHOP, signingTokens: SECRET }] }],
    ['shops.0.signingTokens.1', { shops: [{ ...SHOP, signingTokens: [SECRET, `${SECRET}\n`] }] }],
    ['shops.0.signingTokens.0', { shops: [{ ...SHOP, signingTokens: [''] }] }],
    ['shops.0.signingTokens.0', { shops: [{ ...SHOP, signingTokens: ['seven77'] }] }],
    ['shops.0.signingTokens.0', { shops: [{ ...SHOP, signingTokens: [17] }] }],
    ['shops.0.timeZone', { shops: [{ ...SHOP, timeZone: 'Mars/Olympus' }] }],
    ['shops.0.region', { shops: [{ ...SHOP, region: 'XX' }] }],
    ['shops.0.region', { shops: [{ ...SHOP, region: 'us' }] }],
    ['shops.0.region', { shops: [{ ...SHOP, region: 'UK' }] }],
    ['shops.0.apiToken', { shops: [{ ...SHOP, apiToken: `${SECRET} ` }] }],
    ['shops.0', { shops: [{ ...SHOP, signingToken: SECRET }] }],
    ['apiKeys.0.sha256', { shops: [SHOP], apiKeys: [{ ...KEY, sha256: SECRET }] }],
    ['apiKeys.0.sha256', { shops: [SHOP], apiKeys: [{ ...KEY, sha256: DIGEST.toUpperCase() }] }],
    ['apiKeys.1.sha256', { shops: [SHOP], apiKeys: [KEY, KEY] }],
    ['apiKeys.0.name', { shops: [SHOP], apiKeys: [{ ...KEY, name: '' }] }],
    ['apiKeys.0.scopes', { shops: [SHOP], apiKeys: [{ ...KEY, scopes: [] }] }],
    ['apiKeys.0.scopes.0', { shops: [SHOP], apiKeys: [{ ...KEY, scopes: ['write'] }] }],
    ['apiKeys.0.shops', { shops: [SHOP], apiKeys: [{ ...KEY, shops: [] }] }],
    ['apiKeys.0.shops.0', { shops: [SHOP], apiKeys: [{ ...KEY, shops: ['shop_*'] }] }],
  ])('%s', async (field, content) => {
    expect(await mistakeIn(configFile(content))).toMatch(new RegExp(`^${field}: .`))
  })

  test('a field that there is not', async () => {
    expect(await mistakeIn(configFile({ shops: [SHOP], keys: [] }))).toContain('"keys"')
    expect(await mistakeIn(configFile({ shops: [{ ...SHOP, tokens: [SECRET] }] }))).toContain('"tokens"')
  })
})
