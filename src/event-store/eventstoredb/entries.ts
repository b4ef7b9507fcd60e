import type { RecordedEvent } from '@eventstore/db-client'
import { EventMetadata, type Position, STREAM_PREFIXES, streams } from '../../ledger/event.ts'
import { isJsonObject } from '../../ledger/json.ts'
import { type LogEntry, StoreError } from '../event-store.ts'
import { positionOf } from './position.ts'

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

/** An entry as EventStoreDB gives it. */
export function logEntryOf(recorded: RecordedEvent, names: Names): LogEntry {
  const { streamId, revision, type, data } = recorded
  const place = {
    stream: names.streamOf(streamId),
    // That of a deletion is the largest that there is.
    revision: Math.min(Number(revision), Number.MAX_SAFE_INTEGER),
    position: recordedPosition(recorded),
  }
  if (type === STREAM_DELETED) return { ...place, foreign: 'the stream has been deleted from EventStoreDB' }
  if (!recorded.isJson || !isJsonObject(data)) return { ...place, foreign: 'its data are no JSON object' }
  const metadata = EventMetadata.safeParse(recorded.metadata)
  if (!metadata.success) return { ...place, foreign: "its metadata are none of the ledger's" }
  return { ...place, type, data, metadata: metadata.data }
}

function recordedPosition({ position }: RecordedEvent): Position {
  if (position === undefined)
    throw new StoreError('store-misconfigured', 'EventStoreDB 23.10 or later is needed')
  return positionOf(position)
}
