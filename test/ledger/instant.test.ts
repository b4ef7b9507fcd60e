import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  inSecondOf,
  instantFromEpoch,
  isInstant,
  microsecondsBetween,
  parseInstant,
} from '../../src/ledger/instant.ts'
import { instant } from './deliveries.ts'

const microseconds = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 })
const thisCentury = fc.integer({ min: 946_684_800_000_000, max: 4_102_444_799_999_999 })
/** Every millisecond that an instant can say. */
const moment = fc.date({
  min: new Date('0000-01-01T00:00:00.000Z'),
  max: new Date('9999-12-31T23:59:59.999Z'),
  noInvalidDate: true,
})

describe('a time is read as UTC, to the microsecond', () => {
  test.each([
    ['2021-11-04T21:52:41.025455', '2021-11-04T21:52:41.025455Z', 'no zone, as Postscript writes it'],
    ['2021-11-04T21:52:41.025455Z', '2021-11-04T21:52:41.025455Z', 'Z'],
    ['2021-11-04T21:52:41z', '2021-11-04T21:52:41.000000Z', 'a small z'],
    ['2021-11-04T21:52:41', '2021-11-04T21:52:41.000000Z', 'no fraction'],
    ['2021-11-04T21:52:41.5', '2021-11-04T21:52:41.500000Z', 'a short fraction'],
    ['2021-11-04T21:52:41,5', '2021-11-04T21:52:41.500000Z', 'a comma'],
    [
      '2021-11-04T21:52:41.123456999',
      '2021-11-04T21:52:41.123456Z',
      'more than six digits: cut, not rounded',
    ],
    ['2021-11-04 21:52:41.025455', '2021-11-04T21:52:41.025455Z', 'a space for the T'],
    ['2021-11-04 21:52:41 +00:00', '2021-11-04T21:52:41.000000Z', 'a space before the zone'],
    ['2021-11-04T21:52:41.025455+02:00', '2021-11-04T19:52:41.025455Z', 'an offset'],
    [
      '2021-11-04T21:52:41.025455-0530',
      '2021-11-05T03:22:41.025455Z',
      'an offset without colon, over midnight',
    ],
    ['2021-11-04T21:52:41+05', '2021-11-04T16:52:41.000000Z', 'an offset in hours'],
    ['2024-02-29T00:00:00', '2024-02-29T00:00:00.000000Z', 'a leap day'],
    ['2000-02-29T00:00:00', '2000-02-29T00:00:00.000000Z', 'a leap day of a leap century'],
    ['0000-01-01T00:00:00', '0000-01-01T00:00:00.000000Z', 'the first year that can be written'],
  ])('%s is %s (%s)', (text, expected) => {
    expect(parseInstant(text)).toBe(expected)
  })

  test('any offset gives the moment it speaks of', () => {
    fc.assert(
      fc.property(thisCentury, fc.integer({ min: -(23 * 60 + 59), max: 23 * 60 + 59 }), (at, minutes) => {
        const local = instantFromEpoch(at)
        const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
        const offset = `${minutes < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}:${String(rest).padStart(2, '0')}`
        const utc = instant(`${local.slice(0, -1)}${offset}`)
        expect(microsecondsBetween(utc, local)).toBe(minutes * 60_000_000)
      }),
    )
  })
})

describe('what is no time is not read as one', () => {
  test.each([
    '2026-06-31T10:00:00',
    '2026-02-29T10:00:00',
    '1900-02-29T10:00:00',
    '2026-13-01T10:00:00',
    '2026-00-01T10:00:00',
    '2026-01-00T10:00:00',
    '2026-06-31T10:00:00+02:00',
    '2026-01-01T24:00:00',
    '2026-01-01T24:00:00+00:00',
    '2026-01-01T10:60:00',
    '2026-01-01T10:00:60',
    '2026-01-01T10:00:60+01:00',
    '2026-01-01T10:00:00+24:00',
    '2026-01-01T10:00:00+99:99',
    '2026-01-01T10:00:00+01:60',
    '0000-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59-00:01',
    '2026-01-01',
    '10:00:00',
    '2026-01-01T10:00',
    '2026-1-1T10:00:00',
    '2026-01-01T10:00:00.',
    '2026-01-01T10:00:00 CET',
    '2026-01-01T10:00:00Z\n',
    ' 2026-01-01T10:00:00Z',
    '+002026-01-01T10:00:00Z',
    '1772359200',
    'yesterday',
    '',
  ])('%j', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  test('no text is read as anything but an instant', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9T:. Z+-]{10,30}$/)), (text) => {
        const read = parseInstant(text)
        expect(read === null || isInstant(read)).toBe(true)
      }),
    )
  })

  test.each<[string | number | null, string]>([
    ['2026-01-01T10:00:00.000000', 'without Z'],
    ['2026-01-01T10:00:00.000Z', 'three digits'],
    ['2026-02-30T10:00:00.000000Z', 'no such day'],
    [Date.UTC(2026, 0, 1), 'a number'],
    [null, 'nothing'],
  ])('%j is not in the stored form (%s)', (value) => {
    expect(isInstant(value)).toBe(false)
  })
})

describe('instants', () => {
  test('what was written is read back as it was', () => {
    fc.assert(
      fc.property(microseconds, (at) => {
        const written = instantFromEpoch(at)
        expect(isInstant(written)).toBe(true)
        expect(parseInstant(written)).toBe(written)
        expect(parseInstant(written.slice(0, -1))).toBe(written)
      }),
    )
  })

  test('a second is told once, and its microseconds as often as one likes', () => {
    fc.assert(
      fc.property(thisCentury, fc.integer({ min: 0, max: 999_999 }), (at, within) => {
        const begins = Math.floor(at / 1_000_000) * 1_000_000
        expect(inSecondOf(instantFromEpoch(at), within)).toBe(instantFromEpoch(begins + within))
      }),
    )
    expect(() => inSecondOf(instant('2026-01-01T00:00:00'), 1_000_000)).toThrow(RangeError)
  })

  test('every day of the calendar can be said', () => {
    fc.assert(
      fc.property(moment, (date) => {
        expect(parseInstant(date.toISOString())).toBe(`${date.toISOString().slice(0, -1)}000Z`)
      }),
    )
  })

  test('text order is the order in time', () => {
    fc.assert(
      fc.property(microseconds, fc.oneof(microseconds, fc.integer({ min: -3, max: 3 })), (a, other) => {
        const b = Math.abs(other) <= 3 && Math.abs(a) < 2 ** 52 ? a + other : other
        const [first, second] = [instantFromEpoch(a), instantFromEpoch(b)]
        expect(Math.sign(a - b)).toBe(first < second ? -1 : first > second ? 1 : 0)
      }),
    )
  })

  test('the time between two is exact to the microsecond', () => {
    const start = instant('1970-01-01T00:00:00')
    expect(microsecondsBetween(start, start)).toBe(0)
    fc.assert(
      fc.property(microseconds, (at) => {
        expect(microsecondsBetween(start, instantFromEpoch(at))).toBe(at)
        expect(microsecondsBetween(instantFromEpoch(at), start)).toBe(0 - at)
      }),
    )
    expect(microsecondsBetween(instant('2026-12-31T23:59:59.999999'), instant('2027-01-01T00:00:00'))).toBe(1)
  })

  test('a moment that no instant can say is refused', () => {
    expect(() => instantFromEpoch(Date.UTC(10_000, 0, 1) * 1000)).toThrow(RangeError)
    expect(() => instantFromEpoch(Number.NaN)).toThrow(RangeError)
  })
})
