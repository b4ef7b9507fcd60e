import { type Instant, inSecondOf, instantFromEpoch } from './ledger/instant.ts'

/** Tells the time, in UTC. Injected wherever time is told, so that tests can say what it is. */
export type Clock = () => Instant

/**
 * The machine's clock, to the microsecond. Microseconds come from the monotonic clock, tied anew to the wall clock
 * whenever the two have drifted apart by more than its resolution, so that a corrected clock is followed.
 */
export function systemClock(): Clock {
  let anchor = Number.NEGATIVE_INFINITY
  let second = { number: 0, begins: instantFromEpoch(0) }
  return () => {
    const wall = Date.now()
    const monotonic = performance.now()
    if (Math.abs(wall - anchor - monotonic) > 1) anchor = wall - monotonic
    const microseconds = Math.floor((anchor + monotonic) * 1000)
    const number = Math.floor(microseconds / 1_000_000)
    if (number !== second.number) second = { number, begins: instantFromEpoch(number * 1_000_000) }
    return inSecondOf(second.begins, microseconds - number * 1_000_000)
  }
}
