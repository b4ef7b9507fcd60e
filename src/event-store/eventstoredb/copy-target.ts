import type { StoredEvent } from '../../ledger/event.ts'
import { within } from '../../waiting.ts'
import { type CopyTarget, StoreError } from '../event-store.ts'
import { storeErrorOf } from './errors.ts'
import { EventStoreDbStore } from './eventstoredb-store.ts'

/**
 * So much is under way at once. The client queues no writes up to this many, and a queued one that fails would end the
 * process.
 */
const WINDOW = { events: 16, characters: 256 * 1024 }
/** As the server compares it with its own clock, far enough off for any that is set wrong, in milliseconds. */
const DEADLINE_MS = 3_600_000
/** A window that has not been answered after this many milliseconds is given up. */
const GIVE_UP_MS = 30_000

/**
 * Stores another log's events as they are, in its order. They are sent on the client's one batch stream, since the server
 * handles what comes on one stream in order: what a broken connection leaves is a beginning.
 */
export class EventStoreDbCopyTarget extends EventStoreDbStore implements CopyTarget {
  #isOpen = false

  async copy(events: readonly StoredEvent[]): Promise<void> {
    await this.id()
    for (let begin = 0; begin < events.length; ) {
      // On a new stream the client sends the second append before the first.
      const window = this.#isOpen ? windowOf(events, begin) : events.slice(begin, begin + 1)
      this.#isOpen = false
      await this.#send(window)
      this.#isOpen = true
      begin += window.length
    }
  }

  async #send(window: readonly StoredEvent[]): Promise<void> {
    const options = { requiresLeader: true, deadline: DEADLINE_MS }
    const { client } = this.connection
    const sent = Promise.allSettled(window.map((event) => this.writeAt(client, event, options)))
    const results = await within(sent, GIVE_UP_MS, () => {
      throw new StoreError('store-unavailable', 'EventStoreDB does not answer')
    })
    for (const result of results) if (result.status === 'rejected') throw storeErrorOf(result.reason)
  }
}

function windowOf(events: readonly StoredEvent[], begin: number): readonly StoredEvent[] {
  let characters = 0
  let end = begin
  while (end < events.length && end - begin < WINDOW.events) {
    characters += JSON.stringify(events[end]).length
    // A large event goes alone.
    if (end > begin && characters > WINDOW.characters) break
    end++
  }
  return events.slice(begin, end)
}
