import { DateTime, IANAZone } from 'luxon'
import { type Instant, instantFromEpoch } from '../../src/ledger/instant.ts'

/** A day as a time zone has it: 24 hours, 23 or 25 where clocks are changed, none where the zone left the date out. */
export interface LocalDay {
  /** `2026-03-01` */
  readonly date: string
  /** In UTC, to the minute: `2026-03-01T05:00`. */
  readonly begins: string
  /** Exclusive. */
  readonly ends: string
}

const DAY_MS = 86_400_000

/** The days from one date to another, both among them. */
export function localDays(from: string, to: string, timeZone: string): LocalDay[] {
  const offsetAt = offsetsOf(IANAZone.create(timeZone))
  const beginningOf = (date: string) => instantFromEpoch(midnight(date, offsetAt) * 1000).slice(0, 16)
  const days: LocalDay[] = []
  let date = from
  let begins = beginningOf(date)
  while (date <= to) {
    const next = daysAfter(date, 1)
    const ends = beginningOf(next)
    days.push({ date, begins, ends })
    date = next
    begins = ends
  }
  return days
}

export function daysAfter(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY_MS).toISOString().slice(0, 10)
}

/** The date that it is somewhere at an instant. */
export function dateIn(timeZone: string, at: Instant): string {
  return DateTime.fromISO(at, { zone: timeZone }).toFormat('yyyy-MM-dd')
}

/** A zone's offset from UTC at a moment, both in milliseconds. What was asked once is remembered: asking is slow. */
type OffsetAt = (moment: number) => number

function offsetsOf(zone: IANAZone): OffsetAt {
  const known = new Map<number, number>()
  return (moment) => {
    const offset = known.get(moment) ?? zone.offset(moment) * 60_000
    known.set(moment, offset)
    return offset
  }
}

// Where clocks go back at midnight it comes twice, and the first begins the day; where they go forward it does not
// come, and the day begins when they do.
function midnight(date: string, offsetAt: OffsetAt): number {
  const local = Date.parse(date)
  const before = local - offsetAt(local - DAY_MS)
  const after = local - offsetAt(local + DAY_MS)
  const isThere = (moment: number) => moment + offsetAt(moment) === local
  return before === after || isThere(before) || !isThere(after) ? before : after
}
