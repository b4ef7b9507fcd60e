import { LRUCache } from 'lru-cache'
import type { StoredEvent, StreamHead } from '../../ledger/event.ts'

/** What is known of a stream: every id up to its head, or nothing at all. */
export interface KnownStream {
  head: StreamHead | null
  /** The revision of each event, by its id. */
  readonly ids: Map<string, number>
}

/** So many ids are kept, some 100 bytes each. */
const MOST_IDS = 500_000

/** Remembers the streams that were written last. What is forgotten is read again. */
export class KnownStreams {
  readonly #streams = new LRUCache<string, KnownStream>({
    maxSize: MOST_IDS,
    sizeCalculation: ({ ids }) => ids.size + 2,
  })

  get(stream: string): KnownStream | undefined {
    return this.#streams.get(stream)
  }

  forget(stream: string): void {
    this.#streams.delete(stream)
  }

  /** Notes events that follow what is known. */
  extend(
    stream: string,
    known: KnownStream,
    events: readonly Pick<StoredEvent, 'revision' | 'metadata'>[],
  ): void {
    for (const { revision, metadata } of events) {
      known.ids.set(metadata.id, revision)
      known.head = { revision, hash: metadata.hash, recordedAt: metadata.recordedAt }
    }
    // Set anew, because it has grown.
    this.#streams.set(stream, known)
  }
}
