import { setTimeout as timeout } from 'node:timers/promises'
import type { PlannedDelivery } from './mailing.ts'
import { type Answer, postman, type Result } from './post.ts'
import { type SendSummary, Tally } from './tally.ts'

export type { SendSummary } from './tally.ts'

export interface SendOptions {
  /** Where the ledger is; `/webhooks/postscript` is added. */
  readonly url: string
  /** Deliveries begun per second; without it, as fast as answers come. Retries come on top. */
  readonly rate?: number
  /** Deliveries under way at once, each on a connection of its own. Default 64. */
  readonly connections?: number
  /** Stops it: nothing more is begun, and what is under way gets `graceMs` to be answered. */
  readonly signal?: AbortSignal
  /** How often one delivery is tried, as long as no answer comes or it is 503. Default 13: Postscript's hour. */
  readonly attempts?: number
  /** How long to wait for another try where the answer doesn't say (`Retry-After`). Default 1000. */
  readonly retryAfterMs?: number
  /** Default 10,000; no answer by then is no answer. */
  readonly answerWithinMs?: number
  /** Default 1000. */
  readonly graceMs?: number
  /** Milliseconds that only ever grow. */
  readonly now?: () => number
  /** Resolves after so many milliseconds, or early once `signal` is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>
}

export interface Sending {
  /** How far it has come. */
  summary(): SendSummary
  /** Resolves when all is sent, or stopped; rejects only where the plan itself throws. */
  readonly finished: Promise<SendSummary>
}

/**
 * Sends a plan, in its order, to a running ledger. `dueMs` is not waited for: the rate says how fast the story goes by.
 * With several connections, deliveries close to each other may arrive in another order, as Postscript's do.
 */
export function send(plan: Iterable<PlannedDelivery>, options: SendOptions): Sending {
  const {
    connections = 64,
    attempts = 13,
    retryAfterMs = 1000,
    answerWithinMs = 10_000,
    graceMs = 1000,
  } = options
  const {
    signal = new AbortController().signal,
    now = () => performance.now(),
    sleep = sleepOrWake,
  } = options
  const post = postman(options.url, { connections, answerWithinMs })
  const tally = new Tally(now)
  const turn = paced(options.rate, now)
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const deliveries = plan[Symbol.iterator]()

  async function worker(): Promise<void> {
    while (!stop.aborted) {
      const next = deliveries.next()
      if (next.done) return
      const waitMs = turn()
      if (waitMs > 0) await sleep(waitMs, stop)
      if (stop.aborted) return
      await deliver(next.value)
    }
  }

  async function deliver(delivery: PlannedDelivery): Promise<void> {
    tally.begun()
    for (let attempt = 1; ; attempt++) {
      const askedAt = now()
      const answer = await post.post(delivery)
      tally.answered(answer, now() - askedAt)
      if (!isWorthRetrying(answer)) return tally.settled(delivery.expect, resultOf(answer))
      if (stop.aborted) return tally.cutOff()
      if (attempt >= attempts) return tally.settled(delivery.expect, null)
      tally.retried()
      await sleep(answer.status === null ? retryAfterMs : (answer.retryAfterMs ?? retryAfterMs), stop)
      if (stop.aborted) return tally.cutOff()
    }
  }

  async function run(): Promise<SendSummary> {
    const cutOffLater = () => {
      void sleep(graceMs, over.signal).then(() => post.close())
    }
    signal.addEventListener('abort', cutOffLater, { once: true })
    try {
      await Promise.all(Array.from({ length: connections }, worker))
    } finally {
      signal.removeEventListener('abort', cutOffLater)
      over.abort()
      post.close()
      deliveries.return?.()
    }
    return tally.summary()
  }

  return { summary: () => tally.summary(), finished: run() }
}

function isWorthRetrying(answer: Answer): boolean {
  return answer.status === null || answer.status === 503
}

function resultOf(answer: Answer): Result | null {
  return answer.status === 200 ? answer.result : null
}

/** How long the next delivery has to wait for its turn, in milliseconds. */
function paced(rate: number | undefined, now: () => number): () => number {
  if (rate === undefined) return () => 0
  let next = now()
  return () => {
    // What was missed is caught up with, but for no more than a second: after a pause no flood.
    const turn = Math.max(next, now() - 1000)
    next = turn + 1000 / rate
    return turn - now()
  }
}

async function sleepOrWake(ms: number, signal: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
