import type { ProjectionName } from '../../projections/index.ts'
import type { Clock } from '../clock.ts'
import type { ShopConfig } from '../config.ts'
import { type EventLog, eventsOf, type SpoolView } from '../event-store/event-store.ts'
import { type Position, streams } from '../ledger/event.ts'
import { interpretSubscriber, type SubscriberFact } from '../ledger/interpret.ts'
import type { ReadModels, ReadView } from '../projecting/read-models.ts'
import { Refusal } from './problems.ts'

/** How long a read waits for a position to be projected, in milliseconds. */
const WAIT_MS = 5_000

/** What routes read from: projections, which may be waited for, and streams, which are always current. */
export class Reads {
  readonly #log: EventLog
  readonly #models: ReadModels

  constructor(log: EventLog, models: ReadModels) {
    this.#log = log
    this.#models = models
  }

  /** Reads a projection once it has handled the event at `after`. Rejects with a `Refusal` where that takes too long. */
  async projected<Name extends ProjectionName, T>(
    name: Name,
    after: Position | undefined,
    read: (view: ReadView<Name>) => T,
  ): Promise<T> {
    if (after !== undefined) await this.#reached(name, after)
    return this.#models.read(name, read)
  }

  /** The same, of all that had been appended when it was asked. */
  async projectedToHead<Name extends ProjectionName, T>(
    name: Name,
    read: (view: ReadView<Name>) => T,
  ): Promise<T> {
    const head = await this.#log.head()
    if (head !== null) await this.#reached(name, head)
    return this.#models.read(name, read)
  }

  /** What a subscriber's own stream says, nothing where there is no such stream; with the position that it is read at. */
  async subscriber(
    shopId: string,
    id: string,
  ): Promise<{ facts: SubscriberFact[]; position: Position | null }> {
    // The head first: what is read after it holds at least all that it counts.
    const position = await this.#log.head()
    const facts: SubscriberFact[] = []
    for await (const event of eventsOf(this.#log, streams.subscriber(shopId, id)))
      facts.push(interpretSubscriber(event))
    return { facts, position }
  }

  /** The header that says which position an answer is computed from. */
  header(position: Position | null): { 'ledger-position': string } {
    return { 'ledger-position': position ?? this.#log.start }
  }

  async #reached(name: ProjectionName, position: Position): Promise<void> {
    if (position <= this.#log.start) return
    if (await this.#models.reached(name, position, WAIT_MS)) return
    this.#models.requireReady(name)
    throw new Refusal('not-projected-in-time', 'the position has not been projected yet; try again')
  }
}

/** What the routes of a shop share. */
export interface ShopRoutes {
  readonly reads: Reads
  readonly log: EventLog
  /** What waits on this node; undefined where nothing ever does. */
  readonly spool: SpoolView | undefined
  readonly clock: Clock
  /** The shop as configured now. Throws a `Refusal` where there is none. */
  readonly shop: (id: string) => ShopConfig
}

export function unknownSubscriber(): Refusal {
  return new Refusal('unknown-subscriber', 'nothing has ever been told of them in this shop')
}
