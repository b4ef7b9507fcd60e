import { grouped } from '../status-line.ts'
import type { SendSummary } from './tally.ts'

const ms = (value: number) => `${value < 10 ? value.toFixed(1) : grouped(Math.round(value))} ms`

/** One line that says how far it has come; `perSecond`: deliveries settled a second, lately. */
export function progressLine(summary: SendSummary, planned: number, perSecond: number): string {
  const { recorded, duplicate, spooled, failed, latencyMs } = summary
  return [
    `${grouped(summary.sent)}/${grouped(planned)} sent`,
    `${grouped(Math.round(perSecond))}/s`,
    `${grouped(recorded)} recorded`,
    `${grouped(duplicate)} duplicate`,
    ...(spooled > 0 ? [`${grouped(spooled)} spooled`] : []),
    `${grouped(failed)} failed`,
    `p50 ${ms(latencyMs.p50)}`,
    `p99 ${ms(latencyMs.p99)}`,
  ].join('  ')
}

/** What came of it, in a few lines. Numbers only: nothing of what was sent. */
export function finalReport(summary: SendSummary): string {
  const { recorded, duplicate, spooled, failed, cutOff, expected, latencyMs, elapsedMs } = summary
  const seconds = elapsedMs / 1000
  const settled = settledIn(summary)
  const perSecond = seconds > 0 ? settled / seconds : 0
  const answers = Object.entries(summary.answers).map(([answer, times]) => `${answer}: ${grouped(times)}`)
  const rows: [string, string][] = [
    [
      'sent',
      `${grouped(summary.sent)} in ${seconds.toFixed(1)} s, ${grouped(Math.round(perSecond))} per second`,
    ],
    ['recorded', `${grouped(recorded)}  (a ledger new to this story: ${grouped(expected.recorded)})`],
    ['duplicate', `${grouped(duplicate)}  (a ledger new to this story: ${grouped(expected.duplicate)})`],
  ]
  if (spooled > 0) rows.push(['spooled', grouped(spooled)])
  rows.push(['failed', grouped(failed)])
  if (cutOff > 0) rows.push(['cut off', `${grouped(cutOff)}  (no answer when it was stopped)`])
  if (summary.retries > 0) rows.push(['retries', grouped(summary.retries)])
  rows.push(['answers', answers.join(', ') || 'none'])
  const percentiles = [`p50 ${ms(latencyMs.p50)}`, `p90 ${ms(latencyMs.p90)}`, `p99 ${ms(latencyMs.p99)}`]
  rows.push(['latency', [...percentiles, `max ${ms(latencyMs.max)}`].join(', ')])
  return rows.map(([name, value]) => `${name.padEnd(10)} ${value}`).join('\n')
}

/** Deliveries of which it is known what became of them. */
export function settledIn(summary: SendSummary): number {
  return summary.recorded + summary.duplicate + summary.spooled + summary.failed
}
