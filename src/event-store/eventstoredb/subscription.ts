import type { Position } from '../../ledger/event.ts'
import { untilAborted } from '../../waiting.ts'
import { StoreError } from '../event-store.ts'
import type { ReadCall } from './client.ts'
import type { Connection } from './connection.ts'
import type { Names } from './entries.ts'
import { storeErrorOf } from './errors.ts'
import { placeOf, positionOf } from './position.ts'
import type { ReadAnswer } from './read-messages.ts'

/**
 * A filtered subscription to `$all`, which tells that there is something behind a place. What it brings is not kept:
 * whoever was told reads it in pages.
 */
export class Subscription {
  /** It tells of everything behind here. */
  readonly after: Position
  readonly #names: Names
  /** Of the last entry that it has brought. */
  #last: Position
  #call: ReadCall | null = null
  #failure: unknown = null
  #change = Promise.withResolvers<void>()

  constructor(connection: Connection, names: Names, after: Position) {
    this.after = after
    this.#last = after
    this.#names = names
    connection.client
      .read(
        { from: placeOf(after), prefixes: names.prefixes },
        { credentials: connection.credentials, requiresLeader: false },
      )
      .then(
        (call) => this.#follow(call),
        (error: unknown) => this.#fail(error),
      )
  }

  get failed(): boolean {
    return this.#failure !== null
  }

  /**
   * Whether there is an entry behind `after`; false where none has come in so many milliseconds, or before `signal`
   * aborts. Rejects with what the subscription has failed with.
   */
  async hasBehind(after: Position, milliseconds: number, signal: AbortSignal): Promise<boolean> {
    const end = AbortSignal.any([signal, AbortSignal.timeout(milliseconds)])
    const ended = untilAborted(end)
    while (this.#last <= after && this.#failure === null && !end.aborted)
      await Promise.race([this.#change.promise, ended])
    if (this.#last > after) return true
    if (this.#failure !== null && !signal.aborted) throw this.#failure
    return false
  }

  close(): void {
    this.#fail(new StoreError('store-unavailable', 'the log is closed'))
    this.#call?.cancel()
  }

  #follow(call: ReadCall): void {
    this.#call = call
    call.on('data', (answer: ReadAnswer) => {
      if (typeof answer === 'string' || !this.#names.isTold(answer.stream)) return
      this.#last = positionOf(answer.place)
      this.#changed()
    })
    // The server ends subscriptions when it stops, which looks like an end of the data.
    call.on('end', () =>
      this.#fail(new StoreError('store-unavailable', 'EventStoreDB ended the subscription')),
    )
    call.on('error', (error) => this.#fail(error))
    if (this.failed) call.cancel()
  }

  #fail(error: unknown): void {
    this.#failure ??= storeErrorOf(error)
    this.#changed()
  }

  #changed(): void {
    const { resolve } = this.#change
    this.#change = Promise.withResolvers<void>()
    resolve()
  }
}
