import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../clock.ts'
import type { EventLog, SpoolState, SpoolView } from '../event-store/event-store.ts'
import type { Progress } from '../projecting/projector.ts'
import { age, type Lag, lagsInTime } from './lag.ts'

type DeliveryResult = 'recorded' | 'duplicate' | 'spooled' | 'refused' | 'unavailable'

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
      spooled: of('spooled'),
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

  /**
   * Adds how far the projections are behind the log, asked for anew at each scrape; left out of one that the log does not
   * answer in time.
   */
  watchLag(log: EventLog, progress: () => readonly Progress[], clock: Clock): void {
    let measuring: Promise<Lag[]> | null = null
    // The gauges of a scrape are collected all at once: the log is asked once for all of them.
    const measured = () => {
      measuring ??= lagsInTime(log, progress(), clock).finally(() => {
        measuring = null
      })
      return measuring
    }
    this.#watch('ledger_projection_lag_events', 'Events not handled yet', async () =>
      (await measured()).map(({ name, events }) => [name, events]),
    )
    this.#watch('ledger_projection_lag_seconds', 'Age of the oldest event not handled yet', async () =>
      (await measured()).map(({ name, seconds }) => [name, seconds]),
    )
    this.#watch('ledger_projection_parked', 'Streams that wait', async () =>
      progress().map(({ name, parked }) => [name, parked]),
    )
  }

  /** Adds what waits in the spool. Without one there are no such gauges: zeros would speak of a spool that is empty. */
  watchSpool(spool: SpoolView, clock: Clock): void {
    const registers = [this.registry]
    const gauge = (name: string, help: string, read: (state: SpoolState) => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read(spool.state()))
        },
      })
    gauge('ledger_spool_depth', 'Events that wait in the spool', ({ depth }) => depth)
    gauge('ledger_spool_bytes', 'What the spool holds on the disk', ({ bytes }) => bytes)
    gauge('ledger_spool_set_aside', 'Events that the store refused', ({ setAside }) => setAside)
    gauge('ledger_spool_oldest_seconds', 'Since when the oldest of them waits', ({ oldestReceivedAt }) =>
      oldestReceivedAt === null ? 0 : age(oldestReceivedAt, clock),
    )
  }

  #watch(name: string, help: string, values: () => Promise<[projection: string, value: number][]>): void {
    new Gauge({
      name,
      help,
      labelNames: ['projection'] as const,
      registers: [this.registry],
      async collect() {
        const current = await values()
        this.reset()
        for (const [projection, value] of current) this.set({ projection }, value)
      },
    })
  }
}
