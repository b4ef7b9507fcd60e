import { createHistogram } from 'node:perf_hooks'
import type { Answer, Result } from './post.ts'

export interface SendSummary {
  /** Deliveries begun: each once, however often it was tried. They are the settled, the cut off and those under way. */
  readonly sent: number
  /** By the ledger's word; each delivery counts once, by its last answer. */
  readonly recorded: number
  readonly duplicate: number
  readonly spooled: number
  /** Given up: refused, never answered, or answered by something that isn't a ledger. */
  readonly failed: number
  /** Under way when it was stopped: whether the ledger has them, nobody said. */
  readonly cutOff: number
  /** What the plan expected of those that a ledger answered 200: holds for a ledger that was empty before. */
  readonly expected: { readonly recorded: number; readonly duplicate: number }
  readonly retries: number
  /** Every answer to every try, by status ("200") or, where none came, by the system's code ("ECONNREFUSED"). */
  readonly answers: Readonly<Record<string, number>>
  /** Of the tries that were answered, within 0.1 %; zeros where none was. */
  readonly latencyMs: {
    readonly p50: number
    readonly p90: number
    readonly p99: number
    readonly max: number
  }
  readonly elapsedMs: number
}

/** Counts while it is sent. Its memory doesn't grow with what is counted. */
export class Tally {
  readonly #now: () => number
  readonly #startedAt: number
  readonly #latencyMicros = createHistogram({ figures: 3 })
  readonly #answers = new Map<string, number>()
  readonly #results = { recorded: 0, duplicate: 0, spooled: 0 }
  readonly #expected = { recorded: 0, duplicate: 0 }
  #sent = 0
  #failed = 0
  #cutOff = 0
  #retries = 0

  constructor(now: () => number) {
    this.#now = now
    this.#startedAt = now()
  }

  begun(): void {
    this.#sent++
  }

  answered(answer: Answer, tookMs: number): void {
    const key = answer.status === null ? answer.error : String(answer.status)
    this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1)
    // The histogram takes nothing below one.
    if (answer.status !== null) this.#latencyMicros.record(Math.max(1, Math.round(tookMs * 1000)))
  }

  retried(): void {
    this.#retries++
  }

  /** `result`: null where no ledger ever said what became of it. */
  settled(expected: 'recorded' | 'duplicate', result: Result | null): void {
    if (result === null) {
      this.#failed++
      return
    }
    this.#results[result]++
    this.#expected[expected]++
  }

  cutOff(): void {
    this.#cutOff++
  }

  summary(): SendSummary {
    const latency = this.#latencyMicros
    const percentile = (share: number) => (latency.count === 0 ? 0 : latency.percentile(share) / 1000)
    return {
      sent: this.#sent,
      ...this.#results,
      failed: this.#failed,
      cutOff: this.#cutOff,
      expected: { ...this.#expected },
      retries: this.#retries,
      answers: Object.fromEntries([...this.#answers].sort(([one], [other]) => (one < other ? -1 : 1))),
      latencyMs: { p50: percentile(50), p90: percentile(90), p99: percentile(99), max: percentile(100) },
      elapsedMs: this.#now() - this.#startedAt,
    }
  }
}
