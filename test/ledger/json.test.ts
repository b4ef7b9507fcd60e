import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalJson,
  type Json,
  type JsonObject,
  parseJsonObject,
  UnreadableJson,
} from '../../src/ledger/json.ts'
import { objectValue, spell } from './spellings.ts'

function refusal(text: string): string {
  try {
    parseJsonObject(text)
  } catch (error) {
    if (error instanceof UnreadableJson) return error.code
    throw error
  }
  return 'accepted'
}

const canonical = (text: string) => canonicalJson(parseJsonObject(text))
const nested = (depth: number) => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`

describe('canonical JSON', () => {
  test('is the same for every spelling of the same value', () => {
    fc.assert(
      fc.property(objectValue, fc.gen(), (value, draw) => {
        expect(canonical(spell(value, draw))).toBe(canonical(spell(value, draw)))
      }),
      { numRuns: 500 },
    )
  })

  test('is JSON of the same value', () => {
    fc.assert(
      fc.property(objectValue, fc.gen(), (value, draw) => {
        const parsed = parseJsonObject(spell(value, draw))
        const again = parseJsonObject(canonicalJson(parsed))
        expect(canonicalJson(again)).toBe(canonicalJson(parsed))
        expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(parsed)))
      }),
    )
  })

  test('is different for different values', () => {
    const json = fc.jsonValue({ maxDepth: 2 })
    const plain = (value: unknown): Json => JSON.parse(JSON.stringify(value))
    fc.assert(
      fc.property(json, json, (a, b) => {
        const [first, second] = [plain(a), plain(b)]
        expect(canonicalJson(first) === canonicalJson(second)).toBe(isDeepStrictEqual(first, second))
      }),
    )
  })

  test.each([
    ['{"n":1e2}', '{"n":100}'],
    ['{"n":1.0}', '{"n":1}'],
    ['{"n":-0}', '{"n":0}'],
    ['{"n":0e9}', '{"n":0}'],
    ['{"n":1e20}', '{"n":100000000000000000000}'],
    ['{"n":1.5E+20}', '{"n":150000000000000000000.0}'],
    ['{"n":1e450}', `{"n":1${'0'.repeat(450)}}`],
    ['{"n":1e450}', `{"n":10${'0'.repeat(450)}e-1}`],
    ['{"n":10e-401}', '{"n":0.1e-399}'],
    ['{"t":"\\u00e9\\/"}', '{"t":"é/"}'],
    ['{"t":"\\ud83d\\ude00"}', '{"t":"😀"}'],
    ['{ "b" : 1 ,\n"a":\t2 }', '{"a":2,"b":1}'],
  ])('%s is %s', (one, other) => {
    expect(canonical(one)).toBe(canonical(other))
  })

  test('is what RFC 8785 gives for its own example', () => {
    const value: JsonObject = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`)
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    )
  })

  test('sorts keys by UTF-16 code units, as RFC 8785 does', () => {
    const value: JsonObject = JSON.parse(String.raw`{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }`)
    expect(Object.values(JSON.parse(canonicalJson(value).replace('"1"', '"one"')))).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
    expect(canonicalJson({ '10': 1, '9': 2 })).toBe('{"10":1,"9":2}')
  })

  test.each([
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [9007199254740991, '9007199254740991'],
    [1e21, '1e+21'],
    [999999999999999900000, '999999999999999900000'],
    [0.000001, '0.000001'],
    [1e-7, '1e-7'],
  ])('writes the double %d as RFC 8785 does', (number, written) => {
    expect(canonicalJson(number)).toBe(written)
  })

  test('escapes a lone surrogate, so that no two become one', () => {
    expect(canonical('{"t":"\\ud800"}')).toBe('{"t":"\\ud800"}')
    expect(canonical('{"t":"\\udc00\\ud800"}')).toBe('{"t":"\\udc00\\ud800"}')
    expect(canonical('{"\\ud800":1}')).not.toBe(canonical('{"\\ud801":1}'))
  })

  test('keeps NUL', () => {
    expect(canonical('{"t":"a\\u0000b"}')).toBe('{"t":"a\\u0000b"}')
  })
})

describe('what a double cannot hold is kept as its digits', () => {
  test('two ids that differ in the 19th digit stay two', () => {
    expect(parseJsonObject('{"id":1234567890123456781}')).toEqual({ id: '1234567890123456781' })
    expect(parseJsonObject('{"id":1234567890123456782}')).toEqual({ id: '1234567890123456782' })
  })

  test('every integer beyond 2^53 is its digits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 53n, max: 10n ** 40n }), fc.boolean(), (integer, minus) => {
        const digits = `${minus ? '-' : ''}${integer}`
        expect(parseJsonObject(`{"id":[${digits}]}`)).toEqual({ id: [digits] })
      }),
    )
  })

  test('every integer up to 2^53 is a number', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (integer) => {
        expect(parseJsonObject(`{"id":${integer}}`)).toEqual({ id: integer })
      }),
    )
  })

  test.each([
    ['1e400', '1e400'],
    ['-1e400', '-1e400'],
    ['10e399', '1e400'],
    ['1e-400', '1e-400'],
    ['-1.20e-400', '-12e-401'],
  ])('%s is kept as %j', (source, kept) => {
    expect(parseJsonObject(`{"n":${source}}`)).toEqual({ n: kept })
  })

  test('a huge exponent stays short', () => {
    expect(parseJsonObject('{"n":1e100000}')).toEqual({ n: '1e100000' })
  })

  test('a fraction is a number, however many digits it has', () => {
    expect(parseJsonObject('{"n":0.12345678901234567890}')).toEqual({ n: 0.12345678901234568 })
  })

  test('digits in a text are left alone', () => {
    expect(parseJsonObject('{"t":"12345678901234567890","u":"1e400"}')).toEqual({
      t: '12345678901234567890',
      u: '1e400',
    })
  })
})

describe('parsing', () => {
  test('of doubled keys the last one counts, whatever they hold', () => {
    expect(parseJsonObject('{"a":1,"a":2}')).toEqual({ a: 2 })
    expect(parseJsonObject('{"a":[12345678901234567891],"a":12345678901234567892}')).toEqual({
      a: '12345678901234567892',
    })
    expect(parseJsonObject('{"a":12345678901234567891,"a":{"b":1e2}}')).toEqual({ a: { b: 100 } })
  })

  test.each([
    '{"__proto__":{"x":1}}',
    '{"__proto__":{"x":1e2},"n":12345678901234567890}',
  ])('%s has a key of that name, and no other prototype', (text) => {
    const object = parseJsonObject(text)
    expect(Object.keys(object)).toContain('__proto__')
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    expect(object['x']).toBeUndefined()
    expect(canonicalJson(object)).toContain('"__proto__":{"x":1')
  })

  test.each([
    '',
    ' ',
    '{',
    '{"a":1,}',
    "{'a':1}",
    '{"a":01}',
    '{"a":NaN}',
    '{"a":"\n"}',
    '{"a":1}x',
    'stop',
  ])('%j is not JSON', (text) => {
    expect(refusal(text)).toBe('not-json')
  })

  test.each(['[]', '[{"a":1}]', '"text"', '1', 'null', 'true', '1e400'])('%s is no object', (text) => {
    expect(refusal(text)).toBe('not-an-object')
  })

  test('brackets may nest 64 deep, and no deeper', () => {
    expect(refusal(nested(64))).toBe('accepted')
    expect(refusal(nested(65))).toBe('too-deep')
    expect(refusal(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`)).toBe('accepted')
    expect(refusal(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toBe('too-deep')
  })

  test('a hundred thousand brackets are refused, whatever they are', () => {
    expect(refusal(nested(100_000))).toBe('too-deep')
    expect(refusal(`${'{"a":'.repeat(100_000)}1e2${'}'.repeat(100_000)}`)).toBe('too-deep')
    expect(refusal('['.repeat(100_000) + ']'.repeat(100_000))).toBe('not-an-object')
    expect(refusal('['.repeat(100_000))).toBe('not-json')
    expect(refusal(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)},"a":1e2}`)).toBe('accepted')
  })

  test('a refusal does not quote what was sent', () => {
    expect(() => parseJsonObject('{"body":"my secret')).toThrow(/^not-json$/)
  })
})
