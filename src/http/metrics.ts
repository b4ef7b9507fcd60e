import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { EventLog } from '../event-store/event-store.ts'
import { microsecondsBetween } from '../ledger/instant.ts'
import type { Progress } from '../projecting/projector.ts'

type DeliveryResult = 'recorded' | 'duplicate' | 'refused' | 'unavailable'

/** What the ledger counts of itself, for Prometheus. One registry an app, so that two in one process don't mix. */
export class Metrics {
  readonly registry = new Registry()
  readonly #batch: Histogram
  readonly #append: Histogram
  readonly #http: Histogram<'method' | 'route' | 'status'>
  readonly #answered = new Map<string, { observe: (seconds: number) => void }>()
  readonly #deliveries: Readonly<Record<DeliveryResult, { inc: () => void }>>

  constructor() {
    const registers = [this.registry]
    const deliveries = new Counter({
      name: 'ledger_deliveries_total',
      help: 'Deliveries by what became of them',
      labelNames: ['result'],
      registers,
    })
    const of = (result: DeliveryResult) => {
      const counter = deliveries.labels({ result })
      // There from the start, so that the first of its kind is seen as a rise.
      counter.inc(0)
      return counter
    }
    this.#deliveries = {
      recorded: of('recorded'),
      duplicate: of('duplicate'),
      refused: of('refused'),
      unavailable: of('unavailable'),
    }
    this.#append = new Histogram({
      name: 'ledger_append_seconds',
      help: 'From asking for an append until it is durable',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    })
    this.#batch = new Histogram({
      name: 'ledger_append_batch_size',
      help: 'Appends committed together',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    })
    this.#http = new Histogram({
      name: 'ledger_http_seconds',
      help: 'Requests by route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    })
    collectDefaultMetrics({ register: this.registry })
  }

  delivered(result: DeliveryResult): void {
    this.#deliveries[result].inc()
  }

  appended(seconds: number): void {
    this.#append.observe(seconds)
  }

  committed(batchSize: number): void {
    this.#batch.observe(batchSize)
  }

  answered(method: string, route: string, status: number, seconds: number): void {
    const key = `${method} ${route} ${status}`
    let observed = this.#answered.get(key)
    // Looking labels up costs more than counting.
    if (observed === undefined) {
      observed = this.#http.labels(method, route, String(status))
      this.#answered.set(key, observed)
    }
    observed.observe(seconds)
  }

  /** Adds how far the projections are behind the log, asked for anew at each scrape. */
  watchLag(log: EventLog, progress: () => readonly Progress[], clock: Clock): void {
    const registers = [this.registry]
    const labelNames = ['projection'] as const
    const seconds = new Gauge({
      name: 'ledger_projection_lag_seconds',
      help: 'Age of the oldest event not handled yet',
      labelNames,
      registers,
    })
    const parked = new Gauge({
      name: 'ledger_projection_parked',
      help: 'Streams that wait',
      labelNames,
      registers,
    })
    new Gauge({
      name: 'ledger_projection_lag_events',
      help: 'Events not handled yet',
      labelNames,
      registers,
      async collect() {
        for (const { name: projection, checkpoint, parked: waiting } of progress()) {
          const [oldest] = await log.readAll(checkpoint, 1)
          const isEvent = oldest !== undefined && !('foreign' in oldest)
          this.set({ projection }, await log.countBehind(checkpoint))
          seconds.set({ projection }, isEvent ? age(oldest.metadata.recordedAt, clock) : 0)
          parked.set({ projection }, waiting)
        }
      },
    })
  }
}

function age(recordedAt: Parameters<typeof microsecondsBetween>[0], clock: Clock): number {
  return Math.max(0, microsecondsBetween(recordedAt, clock()) / 1_000_000)
}
