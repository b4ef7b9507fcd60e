import { systemClock } from '../src/clock.ts'
import type { Appended, EventStore } from '../src/event-store/event-store.ts'
import { type Append, SqliteAppender } from '../src/event-store/sqlite/appender.ts'
import { positionOf } from '../src/event-store/sqlite/position.ts'
import { SqliteLog } from '../src/event-store/sqlite/sqlite-log.ts'
import type { NewEvent } from '../src/ledger/event.ts'

/**
 * The road not taken: commits what one turn of the event loop brought, on the caller's own thread. Appends as the real
 * one does; kept to measure the two against each other.
 */
export class CallersThreadStore extends SqliteLog implements EventStore {
  readonly #appender: SqliteAppender
  #turn: { append: Append; resolve: (appended: Appended) => void; reject: (error: unknown) => void }[] = []

  constructor(path: string) {
    const appender = new SqliteAppender(path, 'bench', systemClock())
    super(path)
    this.#appender = appender
  }

  append(stream: string, event: NewEvent): Promise<Appended> {
    if (this.#turn.length === 0) setImmediate(() => this.#commit())
    return new Promise((resolve, reject) => this.#turn.push({ append: { stream, event }, resolve, reject }))
  }

  async probe(): Promise<void> {
    this.#appender.probe()
  }

  #commit(): void {
    const turn = this.#turn
    this.#turn = []
    try {
      this.#appender
        .append(turn.map(({ append }) => append))
        .forEach(({ duplicate, revision, position }, index) => {
          turn[index]?.resolve({
            outcome: duplicate ? 'duplicate' : 'appended',
            revision,
            position: positionOf(position),
          })
        })
    } catch (error) {
      for (const { reject } of turn) reject(error)
    }
  }
}
