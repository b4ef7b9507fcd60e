import { grouped } from '../status-line.ts'
import type { Projection } from './remote-ledger.ts'

const WIDTH = 20

/** How far rebuilds are, in one line: a bar, what is handled of how much, how fast, and how long it will take. */
export function progressText(projections: readonly Projection[]): string {
  const rebuilds = projections.flatMap(({ rebuild }) => (rebuild === null ? [] : [rebuild]))
  const handled = sum(rebuilds.map((rebuild) => rebuild.handled))
  const total = sum(rebuilds.map((rebuild) => rebuild.total))
  const rate = sum(rebuilds.map(({ eventsPerSecond }) => eventsPerSecond))
  const share = total === 0 ? 0 : Math.min(1, handled / total)
  const bar = '█'.repeat(Math.floor(share * WIDTH)).padEnd(WIDTH, '░')
  const [first] = projections
  const who = projections.length === 1 ? (first?.name ?? '') : `${projections.length} projections`
  const problem = rebuilds.find((rebuild) => rebuild.problem !== null)?.problem
  const rest =
    problem === undefined || problem === null
      ? `${grouped(Math.round(rate))}/s  ${timeLeft(total - handled, rate)}`
      : `waits: ${problem}`
  return `${who}  ${bar} ${Math.floor(share * 100)} %  ${grouped(handled)} of ${grouped(total)}  ${rest}`
}

function timeLeft(events: number, rate: number): string {
  if (rate <= 0) return 'time left unknown'
  const seconds = Math.ceil(Math.max(0, events) / rate)
  if (seconds < 90) return `${seconds} s left`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 90 ? `${minutes} min left` : `${Math.floor(minutes / 60)} h ${minutes % 60} min left`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
