/** JSON as it is stored: parsed, with nothing that JSON cannot say. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** Brackets may nest this deep: what goes deeper is no message of anybody's, and recursion stays safe. */
const MAX_DEPTH = 64

// A number of 16 signs or more, or with an exponent: only a text with such a one can lose something in a double, and
// reading numbers from their source takes several times as long.
const MAY_LOSE_DIGITS = /[[:,]\s*-?(?:\d[\d.]{15}|\d[\d.]*[eE])/

/** Why a text was not accepted as a JSON object. The codes are read by people, in `unplaced`. */
export class UnreadableJson extends Error {
  override name = 'UnreadableJson'
  readonly code: 'not-json' | 'not-an-object' | 'too-deep'

  constructor(code: UnreadableJson['code']) {
    super(code)
    this.code = code
  }
}

/**
 * Parses a JSON object without losing what a double cannot hold: an integer beyond 2^53, or a number out of a
 * double's range, comes out as text, its digits written out. Of doubled keys the last one counts, as in
 * `JSON.parse`. Throws `UnreadableJson`.
 */
export function parseJsonObject(text: string): JsonObject {
  const value = parse(text)
  if (!isJsonObject(value)) throw new UnreadableJson('not-an-object')
  if (openingBrackets(text) > MAX_DEPTH && depthExceeds(value, MAX_DEPTH))
    throw new UnreadableJson('too-deep')
  if (!MAY_LOSE_DIGITS.test(text)) return value
  const exact: unknown = JSON.parse(text, exactNumber)
  return isJsonObject(exact) ? exact : value
}

/** What JSON says; what is no JSON is `undefined`, which no schema takes. */
export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Canonical JSON (RFC 8785): one text for all spellings of the same value. In one thing it differs: a lone
 * surrogate is escaped as `JSON.stringify` does, where the RFC refuses it, because what came must be kept.
 */
export function canonicalJson(value: Json): string {
  if (typeof value === 'string') return quoted(value)
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isJsonArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  return `{${canonicalKeys(value).map(memberOf(value)).join(',')}}`
}

/** The canonical JSON of `object`, and that of the same without its member `key`: made at once, they share all work. */
export function canonicalWithout(object: JsonObject, key: string): { whole: string; without: string } {
  const keys = canonicalKeys(object)
  const members = keys.map(memberOf(object))
  const whole = `{${members.join(',')}}`
  const index = keys.indexOf(key)
  return { whole, without: index < 0 ? whole : `{${members.toSpliced(index, 1).join(',')}}` }
}

// Sorting by UTF-16 code units is both the RFC's order and what `sort` does by default.
function canonicalKeys(object: JsonObject): string[] {
  return Object.keys(object).sort()
}

function memberOf(object: JsonObject): (key: string) => string {
  return (key) => `${quoted(key)}:${canonicalJson(object[key] ?? null)}`
}

const MAY_NEED_ESCAPES = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

// Looking first is cheaper than asking `JSON.stringify` for each short text.
function quoted(text: string): string {
  return MAY_NEED_ESCAPES.test(text) ? JSON.stringify(text) : `"${text}"`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, and the text is somebody's message.
    throw new UnreadableJson('not-json')
  }
}

function isJsonArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

// Cheap, and hardly any text has so many that how they nest needs a look.
function openingBrackets(text: string): number {
  let count = 0
  for (const bracket of ['{', '['])
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) count++
  return count
}

// Level by level instead of recursively: the text may be 100,000 brackets.
function depthExceeds(value: object, limit: number): boolean {
  let level: object[] = [value]
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > limit) return true
    const next: object[] = []
    for (const container of level)
      for (const child of Object.values(container))
        if (typeof child === 'object' && child !== null) next.push(child)
    level = next
  }
  return false
}

function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  const lost =
    Math.abs(value) > Number.MAX_SAFE_INTEGER || (value === 0 && /^[^eE]*[1-9]/.test(context.source))
  return lost ? writtenOut(context.source) : value
}

// `1e20` and `100000000000000000000` are one number and must have one text.
function writtenOut(source: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  const power = Number(exponent) - fraction.length + digits.length - significant.length
  // By the value alone, not by how it was spelled, and so that a short text cannot become a very long one.
  const writable = power >= 0 && power < 400
  return writable ? `${sign}${significant}${'0'.repeat(power)}` : `${sign}${significant}e${power}`
}
