import { expect, test } from 'vitest'
import { progressText } from '../../src/rebuilding/progress-text.ts'
import type { Projection } from '../../src/rebuilding/remote-ledger.ts'

function rebuilding(name: string, rebuild: Partial<NonNullable<Projection['rebuild']>>): Projection {
  const begun = { handled: 0, total: 0, eventsPerSecond: 0, held: false, problem: null }
  return { name, generation: 1, state: 'rebuilding', reason: null, rebuild: { ...begun, ...rebuild } }
}

test('a bar, what is handled, how fast and how long yet', () => {
  const half = { handled: 1_500_000, total: 3_000_000, eventsPerSecond: 50_000 }
  expect(progressText([rebuilding('unplaced', half)])).toBe(
    'unplaced  ██████████░░░░░░░░░░ 50 %  1,500,000 of 3,000,000  50,000/s  30 s left',
  )
})

test('several are one, with their sums', () => {
  const one = { handled: 100, total: 1_000_000, eventsPerSecond: 50 }
  expect(progressText([rebuilding('a', one), rebuilding('b', one)])).toBe(
    '2 projections  ░░░░░░░░░░░░░░░░░░░░ 0 %  200 of 2,000,000  100/s  5 h 34 min left',
  )
})

test('what has not begun has no time, and what waits says why', () => {
  expect(progressText([rebuilding('a', {})])).toBe(
    'a  ░░░░░░░░░░░░░░░░░░░░ 0 %  0 of 0  0/s  time left unknown',
  )
  const stopped = { handled: 9, total: 9, eventsPerSecond: 3, problem: 'the log cannot be read' }
  expect(progressText([rebuilding('a', stopped)])).toBe(
    'a  ████████████████████ 100 %  9 of 9  waits: the log cannot be read',
  )
})
