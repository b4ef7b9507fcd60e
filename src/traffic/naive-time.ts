import { DateTime } from 'luxon'

const DAY = 86_400_000_000
const digits = (value: number, count: number) => value.toString().padStart(count, '0')

/**
 * Writes moments of a story the way Postscript does: UTC, six digits, no zone (`2021-11-04T21:52:41.025455`).
 * Moments are microseconds since the story's start, as numbers: exact for some 285 years.
 */
export class NaiveTime {
  readonly #start: number
  #day = Number.NaN
  #date = ''

  /** `start`: ISO 8601, UTC where it names no zone; what is finer than a millisecond is dropped. */
  constructor(start: string) {
    const instant = DateTime.fromISO(start, { zone: 'utc' })
    if (!instant.isValid) throw new RangeError(`not an instant: ${start}`)
    this.#start = instant.toMillis() * 1000
  }

  text(moment: number): string {
    const whole = this.#start + moment
    const day = Math.floor(whole / DAY)
    if (day !== this.#day) {
      this.#day = day
      this.#date = DateTime.fromMillis((day * DAY) / 1000, { zone: 'utc' }).toFormat('yyyy-MM-dd')
    }
    const micros = whole - day * DAY
    const seconds = Math.floor(micros / 1_000_000)
    const hour = digits(Math.floor(seconds / 3600), 2)
    const minute = digits(Math.floor(seconds / 60) % 60, 2)
    return `${this.#date}T${hour}:${minute}:${digits(seconds % 60, 2)}.${digits(micros % 1_000_000, 6)}`
  }

  /** The hour of the day, 0 to 23. */
  hour(moment: number): number {
    const micros = this.#start + moment
    return Math.floor((micros - Math.floor(micros / DAY) * DAY) / 3_600_000_000)
  }
}
