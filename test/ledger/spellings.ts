/** JSON that can be written in many ways: the same value, in other texts. */
import fc from 'fast-check'

/** A JSON value by what it is, not by what JavaScript makes of it: a number is its digits. */
export type Value =
  | { readonly kind: 'word'; readonly word: 'null' | 'true' | 'false' }
  | { readonly kind: 'number'; readonly minus: boolean; readonly digits: string; readonly exponent: number }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | ObjectValue
export interface ObjectValue {
  readonly kind: 'object'
  readonly members: readonly (readonly [string, Value])[]
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  // Lone surrogates among them.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 })
    .map((units) => String.fromCharCode(...units)),
  fc.constantFrom('__proto__', 'constructor', '\u0000', '/"\\', 'é', '10', '9'),
)

const number = fc.record({
  kind: fc.constant('number' as const),
  minus: fc.boolean(),
  digits: fc.oneof(
    fc.integer({ min: 0, max: 10_000 }).map(String),
    fc.bigInt({ min: 0n, max: 10n ** 25n }).map(String),
  ),
  exponent: fc.oneof(fc.constant(0), fc.integer({ min: -30, max: 30 }), fc.integer({ min: -460, max: 460 })),
})

const { object } = fc.letrec<{ value: Value; object: ObjectValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    number,
    fc.record({ kind: fc.constant('text' as const), text }),
    fc.record({ kind: fc.constant('word' as const), word: fc.constantFrom('null', 'true', 'false') }),
    fc.record({ kind: fc.constant('list' as const), items: fc.array(tie('value'), { maxLength: 4 }) }),
    tie('object'),
  ),
  object: fc.record({
    kind: fc.constant('object' as const),
    members: fc.uniqueArray(fc.tuple(text, tie('value')), { selector: ([key]) => key, maxLength: 5 }),
  }),
}))

export const objectValue = object

/** One of the many texts of a value: order, white space, escapes and the form of numbers by `draw`. */
export function spell(value: Value, draw: fc.GeneratorValue): string {
  const gap = () => draw(fc.constantFrom, '', '', ' ', '\n\t', '\r')
  switch (value.kind) {
    case 'word':
      return value.word
    case 'number':
      return spellNumber(value, draw)
    case 'text':
      return spellText(value.text, draw)
    case 'list':
      return `[${value.items.map((item) => `${gap()}${spell(item, draw)}${gap()}`).join(',')}]`
    case 'object':
      return `{${inSomeOrder(value.members, draw)
        .map(
          ([key, member]) => `${gap()}${spellText(key, draw)}${gap()}:${gap()}${spell(member, draw)}${gap()}`,
        )
        .join(',')}}`
    default:
      return value satisfies never
  }
}

function inSomeOrder<T>(items: readonly T[], draw: fc.GeneratorValue): T[] {
  const left = [...items]
  const ordered: T[] = []
  while (left.length > 0) ordered.push(...left.splice(draw(fc.nat, { max: left.length - 1 }), 1))
  return ordered
}

function spellText(value: string, draw: fc.GeneratorValue): string {
  let spelled = ''
  for (const unit of value.split('')) {
    const code = unit.charCodeAt(0)
    const escaped = `\\u${code.toString(16).padStart(4, '0')}`
    const short = { '"': '\\"', '\\': '\\\\', '/': '\\/', '\n': '\\n', '\t': '\\t' }[unit]
    // What needs no escape may have one; the halves of a pair are both escaped, or neither is.
    const mayBePlain = code >= 0x20 && unit !== '"' && unit !== '\\' && (code < 0xd800 || code > 0xdfff)
    const forms = [escaped, escaped.toUpperCase().replace('U', 'u'), ...(short === undefined ? [] : [short])]
    spelled += mayBePlain && draw(fc.boolean) ? unit : (forms[draw(fc.nat, { max: forms.length - 1 })] ?? '')
  }
  return `"${spelled}"`
}

function spellNumber(
  { minus, digits, exponent }: Value & { kind: 'number' },
  draw: fc.GeneratorValue,
): string {
  const sign = minus ? '-' : ''
  const e = draw(fc.constantFrom, 'e', 'E')
  const power = (n: number) => `${e}${n < 0 ? '-' : draw(fc.constantFrom, '', '+', '+0')}${Math.abs(n)}`
  const forms = [
    () => `${sign}${digits}${power(exponent)}`,
    () => `${sign}${digits}.00${power(exponent)}`,
    () => `${sign}${digits}000${digits === '0' ? '' : power(exponent - 3)}`.replace(/^(-?)0000$/, '$10'),
    () => `${sign}0.0${digits}${power(exponent + digits.length + 1)}`,
    () =>
      digits.length === 1
        ? `${sign}${digits}${power(exponent)}`
        : `${sign}${digits.slice(0, 1)}.${digits.slice(1)}${power(exponent + digits.length - 1)}`,
    () => `${sign}${writtenOut(digits, exponent)}`,
  ]
  return (forms[draw(fc.nat, { max: forms.length - 1 })] ?? String)()
}

/** Without an exponent, however long. */
function writtenOut(digits: string, exponent: number): string {
  if (digits === '0') return '0'
  if (exponent >= 0) return `${digits}${'0'.repeat(exponent)}`
  const padded = digits.padStart(1 - exponent, '0')
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`
}
