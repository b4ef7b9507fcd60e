import { STREAM_PREFIXES, streams } from '../../ledger/event.ts'
import { entryOf, type LogEntry, StoreError } from '../event-store.ts'
import { positionOf } from './position.ts'
import type { Recorded } from './read-messages.ts'

/** The names of streams on the wire: the ledger's own, behind the namespace. */
export class Names {
  readonly #namespace: string
  /** The log's own stream, which says which log it is. */
  readonly log: string
  readonly prefixes: string[]

  constructor(namespace: string) {
    this.#namespace = namespace
    this.log = this.of(streams.log)
    this.prefixes = STREAM_PREFIXES.map((prefix) => this.of(prefix))
  }

  of(stream: string): string {
    return `${this.#namespace}${stream}`
  }

  /** Whether a stream holds what the log tells. */
  isTold(name: string): boolean {
    return name !== this.log && this.prefixes.some((prefix) => name.startsWith(prefix))
  }

  streamOf(name: string): string {
    return name.slice(this.#namespace.length)
  }
}

/** What EventStoreDB itself appends to a stream that is deleted for ever. */
const STREAM_DELETED = '$streamDeleted'

/** An entry as EventStoreDB gives it. Throws `StoreError` as `store-misconfigured` where an old server does not say its place. */
export function logEntryOf(
  { stream, revision, place, type, isJson, data, metadata }: Recorded,
  names: Names,
): LogEntry {
  if (!Number.isSafeInteger(place.commit))
    throw new StoreError('store-misconfigured', 'EventStoreDB 23.10 or later is needed')
  const at = {
    stream: names.streamOf(stream),
    revision: Math.min(revision, Number.MAX_SAFE_INTEGER),
    position: positionOf(place),
  }
  if (type === STREAM_DELETED) return { ...at, foreign: 'the stream has been deleted from EventStoreDB' }
  return entryOf(at, type, isJson ? data.toString() : '', metadata.toString())
}
