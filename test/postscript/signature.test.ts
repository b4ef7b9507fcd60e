import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SigningTokens } from '../../src/postscript/signature.ts'

const NEW = 'a1b2c3d4e5f6a1b2c3d4e5f6'
const OLD = 'f6e5d4c3b2a1f6e5d4c3b2a1'
const OTHER = 'ffffffffffffffffffffffff'

const tokens = new SigningTokens([
  { id: 'shop_a', signingTokens: [NEW, OLD] },
  { id: 'shop_b', signingTokens: [NEW] },
  { id: 'shop_c', signingTokens: [OTHER] },
])

describe('a signature is accepted', () => {
  test('that is the token of one shop', () => {
    expect(tokens.verify(OTHER)?.shopIds).toEqual(['shop_c'])
  })

  test('that is a token shared by shops, for all of them in their order', () => {
    expect(tokens.verify(NEW)?.shopIds).toEqual(['shop_a', 'shop_b'])
  })

  test('that is either token during a rotation', () => {
    expect(tokens.verify(NEW)?.shopIds).toContain('shop_a')
    expect(tokens.verify(OLD)?.shopIds).toEqual(['shop_a'])
  })

  test('of a token that stands twice in one shop, for that shop once', () => {
    const twice = new SigningTokens([{ id: 'shop_a', signingTokens: [NEW, NEW] }])
    expect(twice.verify(NEW)?.shopIds).toEqual(['shop_a'])
  })

  test('and named by 12 digits of its digest, which cannot sign', () => {
    const signedWith = tokens.verify(NEW)?.signedWith ?? ''
    expect(signedWith).toBe(createHash('sha256').update(NEW).digest('hex').slice(0, 12))
    expect(tokens.verify(signedWith)).toBeNull()
  })
})

describe('a signature is rejected', () => {
  test('that is missing', () => {
    expect(tokens.verify(undefined)).toBeNull()
  })

  test('that is empty', () => {
    expect(tokens.verify('')).toBeNull()
  })

  test('that is of nobody', () => {
    expect(tokens.verify('0123456789abcdef01234567')).toBeNull()
  })

  test('that lacks the last character', () => {
    expect(tokens.verify(NEW.slice(0, -1))).toBeNull()
  })

  test('that has a character too many', () => {
    expect(tokens.verify(`${NEW}0`)).toBeNull()
  })

  test('that differs in the first character', () => {
    expect(tokens.verify(`b${NEW.slice(1)}`)).toBeNull()
  })

  test('that differs in the last character', () => {
    expect(tokens.verify(`${NEW.slice(0, -1)}5`)).toBeNull()
  })

  test('that differs in case', () => {
    expect(tokens.verify(NEW.toUpperCase())).toBeNull()
  })

  test('that has white space around it', () => {
    expect(tokens.verify(` ${NEW}`)).toBeNull()
    expect(tokens.verify(`${NEW}\n`)).toBeNull()
  })

  test('that came twice, as Node joins it', () => {
    expect(tokens.verify(`${NEW}, ${NEW}`)).toBeNull()
  })

  test('that came as a list', () => {
    expect(tokens.verify([NEW])).toBeNull()
    expect(tokens.verify([NEW, NEW])).toBeNull()
  })

  test('that is written as a scheme', () => {
    expect(tokens.verify(`Bearer ${NEW}`)).toBeNull()
    expect(tokens.verify(`sha256=${NEW}`)).toBeNull()
  })

  test("that is the token's digest", () => {
    expect(tokens.verify(createHash('sha256').update(NEW).digest('hex'))).toBeNull()
  })

  test('that was good before the rotation ended', () => {
    const rotated = new SigningTokens([{ id: 'shop_a', signingTokens: [NEW] }])
    expect(rotated.verify(OLD)).toBeNull()
  })

  test('whatever it is, while there is no shop', () => {
    const none = new SigningTokens([])
    expect(none.verify(NEW)).toBeNull()
    expect(none.verify('')).toBeNull()
    expect(none.verify(undefined)).toBeNull()
  })
})
