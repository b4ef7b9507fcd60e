import type { SendSummary } from './tally.ts'

const count = (value: number) => value.toLocaleString('en-US')
const ms = (value: number) => `${value < 10 ? value.toFixed(1) : count(Math.round(value))} ms`

/** One line that says how far it has come; `perSecond`: deliveries settled a second, lately. */
export function progressLine(summary: SendSummary, planned: number, perSecond: number): string {
  const { recorded, duplicate, spooled, failed, latencyMs } = summary
  return [
    `${count(summary.sent)}/${count(planned)} sent`,
    `${count(Math.round(perSecond))}/s`,
    `${count(recorded)} recorded`,
    `${count(duplicate)} duplicate`,
    ...(spooled > 0 ? [`${count(spooled)} spooled`] : []),
    `${count(failed)} failed`,
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
  const answers = Object.entries(summary.answers).map(([answer, times]) => `${answer}: ${count(times)}`)
  const rows: [string, string][] = [
    ['sent', `${count(summary.sent)} in ${seconds.toFixed(1)} s, ${count(Math.round(perSecond))} per second`],
    ['recorded', `${count(recorded)}  (a ledger new to this story: ${count(expected.recorded)})`],
    ['duplicate', `${count(duplicate)}  (a ledger new to this story: ${count(expected.duplicate)})`],
  ]
  if (spooled > 0) rows.push(['spooled', count(spooled)])
  rows.push(['failed', count(failed)])
  if (cutOff > 0) rows.push(['cut off', `${count(cutOff)}  (no answer when it was stopped)`])
  if (summary.retries > 0) rows.push(['retries', count(summary.retries)])
  rows.push(['answers', answers.join(', ') || 'none'])
  const percentiles = [`p50 ${ms(latencyMs.p50)}`, `p90 ${ms(latencyMs.p90)}`, `p99 ${ms(latencyMs.p99)}`]
  rows.push(['latency', [...percentiles, `max ${ms(latencyMs.max)}`].join(', ')])
  return rows.map(([name, value]) => `${name.padEnd(10)} ${value}`).join('\n')
}

/** Deliveries of which it is known what became of them. */
export function settledIn(summary: SendSummary): number {
  return summary.recorded + summary.duplicate + summary.spooled + summary.failed
}
