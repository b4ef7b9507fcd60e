/**
 * A test double of EventStoreDB; the real server has the last word. Here is what it keeps: one log in the order of
 * writing, and each stream's part of it. No rules: they are in `commit-check.ts` and `writes.ts`.
 */
import { randomUUID } from 'node:crypto'

export interface StoredEvent extends ProposedEvent {
  readonly stream: string
  /** Its place in the stream, from 0 on; the largest int64 for a tombstone. */
  readonly revision: bigint
  /** Where it starts in the log: commit and prepare position, which are the same. */
  readonly position: bigint
  readonly created: Date
}

export interface ProposedEvent {
  readonly id: string
  readonly type: string
  readonly contentType: ContentType
  readonly data: Uint8Array
  readonly metadata: Uint8Array
}

export type ContentType = 'application/json' | 'application/octet-stream'

export const LARGEST_REVISION = 2n ** 63n - 1n

/** As the real server's: what comes before is its own records, which nobody is shown. */
const FIRST_POSITION = 548n

/** Of a record besides its names and bodies. Positions are byte offsets into such records. */
const RECORD_OVERHEAD = 90

/** For how many of the newest events the server remembers where an id was first written. */
const IDS_REMEMBERED = 80_000

const NONE: readonly StoredEvent[] = []

export class Log {
  readonly #events: StoredEvent[] = []
  readonly #streams = new Map<string, StoredEvent[]>()
  readonly #tombstoned = new Set<string>()
  readonly #firstWith = new Map<string, StoredEvent>()
  readonly #watchers = new Set<() => void>()
  #end = FIRST_POSITION

  /** In the order of writing, the system's events among them. */
  get events(): readonly StoredEvent[] {
    return this.#events
  }

  /** Where the next event will be. */
  get end(): bigint {
    return this.#end
  }

  stream(name: string): readonly StoredEvent[] {
    return this.#streams.get(name) ?? NONE
  }

  isTombstoned(name: string): boolean {
    return this.#tombstoned.has(name)
  }

  /** The first event written with this id, to whatever stream, if the server still knows. */
  firstWith(id: string): StoredEvent | undefined {
    return this.#firstWith.get(id)
  }

  /** What a restart does: the ids are remembered in memory alone. */
  forgetIds(): void {
    this.#firstWith.clear()
  }

  append(stream: string, proposed: readonly ProposedEvent[]): StoredEvent[] {
    const events = this.#streams.get(stream) ?? []
    this.#streams.set(stream, events)
    const stored = proposed.map((event) => {
      const stored = this.#write(stream, BigInt(events.length), event)
      events.push(stored)
      return stored
    })
    this.#wake()
    return stored
  }

  tombstone(stream: string): StoredEvent {
    const stored = this.#write(stream, LARGEST_REVISION, {
      id: randomUUID(),
      type: '$streamDeleted',
      contentType: 'application/octet-stream',
      data: new Uint8Array(),
      metadata: new Uint8Array(),
    })
    this.#tombstoned.add(stream)
    this.#wake()
    return stored
  }

  /** The index of the first event at or after a position; the number of events where there is none. */
  indexAt(position: bigint): number {
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const event = this.#events[middle]
      if (event !== undefined && event.position < position) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Calls back after every write, until what it gives is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #write(stream: string, revision: bigint, proposed: ProposedEvent): StoredEvent {
    const { id, type, contentType, data, metadata } = proposed
    const created = new Date()
    const stored = { stream, revision, position: this.#end, id, type, contentType, data, metadata, created }
    const size = RECORD_OVERHEAD + Buffer.byteLength(stream) + Buffer.byteLength(type)
    this.#end += BigInt(size + data.length + metadata.length)
    this.#events.push(stored)
    this.#remember(stored)
    return stored
  }

  #remember(event: StoredEvent): void {
    // The first stays, also where the id is written again to another stream: as the real server has it.
    if (!this.#firstWith.has(event.id)) this.#firstWith.set(event.id, event)
    if (this.#firstWith.size <= IDS_REMEMBERED) return
    for (const oldest of this.#firstWith.keys()) {
      this.#firstWith.delete(oldest)
      break
    }
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher()
  }
}
