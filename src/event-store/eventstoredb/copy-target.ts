import type { StoredEvent } from '../../ledger/event.ts'
import type { CopyTarget } from '../event-store.ts'
import { storeErrorOf } from './errors.ts'
import { EventStoreDbStore } from './eventstoredb-store.ts'

/** So much is under way at once. */
const WINDOW = { events: 64, characters: 256 * 1024 }
/** An event that has not been answered after this many milliseconds is given up. */
const GIVE_UP_MS = 30_000

/**
 * Stores another log's events as they are, in its order. They are sent side by side on one call, since the server handles
 * what comes on one in order: what a broken connection leaves is a beginning.
 */
export class EventStoreDbCopyTarget extends EventStoreDbStore implements CopyTarget {
  #isOpen = false

  async copy(events: readonly StoredEvent[]): Promise<void> {
    await this.id()
    for (let begin = 0; begin < events.length; ) {
      // On a call that may be new one goes alone: a node that is becoming the leader could refuse it, and take others.
      const window = this.#isOpen ? windowOf(events, begin) : events.slice(begin, begin + 1)
      this.#isOpen = false
      await this.#send(window)
      this.#isOpen = true
      begin += window.length
    }
  }

  async #send(window: readonly StoredEvent[]): Promise<void> {
    const { client } = this.connection
    const results = await Promise.allSettled(
      window.map(({ stream, revision, type, data, metadata }) => {
        const [json, metadataJson] = [JSON.stringify(data), JSON.stringify(metadata)]
        const event = { stream, revision, type, json, hash: metadata.hash, metadataJson }
        return this.writeAt(client, event, GIVE_UP_MS)
      }),
    )
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
