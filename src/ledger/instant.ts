import { DateTime } from 'luxon'

/**
 * A moment in UTC as text of one width: `2026-11-23T10:00:00.123456Z`.
 *
 * Fixed width makes text order the order in time, and text keeps the microseconds that a `Date` drops.
 */
export type Instant = string & { readonly __instant: true }

const FIXED_WIDTH = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/
const ISO =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,12}))?\s?(Z|z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?$/

/** Whether `text` is already in the one form that this ledger stores. */
export function isInstant(text: unknown): text is Instant {
  return typeof text === 'string' && FIXED_WIDTH.test(text) && isRealSecond(text)
}

/**
 * Reads an ISO 8601 date and time. Without a zone it means UTC, as Postscript's times do. Digits beyond
 * the sixth of a second are cut off. Null where it is no such time: a date alone, words, the 31st of June.
 */
export function parseInstant(text: string): Instant | null {
  const [, date, time, fraction = '', zone] = ISO.exec(text) ?? []
  if (date === undefined || time === undefined || !isRealSecond(`${date}T${time}`)) return null
  const second = toUtc(`${date}T${time}`, zone)
  return second === null ? null : instantOf(`${second}.${fraction.slice(0, 6).padEnd(6, '0')}Z`)
}

/** Microseconds from `from` to `to`; negative where `to` is earlier. Exact up to the year 2255. */
export function microsecondsBetween(from: Instant, to: Instant): number {
  return epochMicroseconds(to) - epochMicroseconds(from)
}

/** The instant `microseconds` after the start of 1970. Throws a `RangeError` outside the years 0000 to 9999. */
export function instantFromEpoch(microseconds: number): Instant {
  const milliseconds = Math.floor(microseconds / 1000)
  const rest = microseconds - milliseconds * 1000
  const text = `${new Date(milliseconds).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  return certainly(instantOf(text), microseconds)
}

/**
 * So many microseconds, below a million, into the second of `instant`: for whoever tells many times of one second, since
 * dates are costly. Throws a `RangeError` for more.
 */
export function inSecondOf(instant: Instant, microseconds: number): Instant {
  const text = `${instant.slice(0, 20)}${String(microseconds).padStart(6, '0')}Z`
  return certainly(instantOf(text), microseconds)
}

function certainly(instant: Instant | null, microseconds: number): Instant {
  if (instant === null) throw new RangeError(`no instant can say ${microseconds} µs`)
  return instant
}

function instantOf(text: string): Instant | null {
  return isInstant(text) ? text : null
}

function epochMicroseconds(instant: Instant): number {
  return Date.parse(`${instant.slice(0, 23)}Z`) * 1000 + Number(instant.slice(23, 26))
}

// Nearly every time comes without a zone or with Z: those are only checked. Luxon is for the others.
function toUtc(local: string, zone: string | undefined): string | null {
  if (zone === undefined || zone === 'Z' || zone === 'z') return local
  const utc = DateTime.fromISO(`${local}${zone}`, { zone: 'utc' })
  return utc.isValid && utc.year >= 0 && utc.year <= 9999 ? utc.toFormat("yyyy-MM-dd'T'HH:mm:ss") : null
}

function isRealSecond(text: string): boolean {
  const month = Number(text.slice(5, 7))
  const day = Number(text.slice(8, 10))
  return (
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(Number(text.slice(0, 4)), month) &&
    text.slice(11, 13) <= '23' &&
    text.slice(14, 16) <= '59' &&
    text.slice(17, 19) <= '59'
  )
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
}
