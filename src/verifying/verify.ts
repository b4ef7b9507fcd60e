import { type EventLog, type LogEntry, StoreError } from '../event-store/event-store.ts'
import { eventHash, type Position, type StoredEvent, type StreamHead } from '../ledger/event.ts'
import type { Notes } from './notes.ts'

/** An entry that does not fit into its stream. */
export interface Misfit {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  /** What is wrong with it. Quotes nothing of it. */
  readonly wrong: string
}

/** How far the walk has come; at its end, what was found. */
export interface Walk {
  readonly events: number
  readonly streams: number
  /** The first one in the order of the log: the walk ends there. */
  readonly misfit: Misfit | null
}

const PAGE = 1_000

/**
 * Walks the chain of every stream, up to the log's head as it is now. It cannot see a cut tail or a dropped stream, nor a
 * whole chain computed anew. Rejects with `StoreError` where the log cannot be read.
 */
export async function verify(
  log: EventLog,
  notes: Notes,
  onProgress: (walk: Walk) => void = () => {},
): Promise<Walk> {
  const head = await log.head()
  let events = 0
  for (let after: Position | null = null; head !== null && after !== head; ) {
    const page: readonly LogEntry[] = await log.readAll(after, PAGE, head)
    for (const entry of page) {
      const { stream, revision, position } = entry
      const wrong = await wrongWith(entry, log, notes)
      if (wrong !== null)
        return { events, streams: notes.streams, misfit: { stream, revision, position, wrong } }
      events++
    }
    notes.save()
    after = page.at(-1)?.position ?? head
    onProgress({ events, streams: notes.streams, misfit: null })
  }
  return { events, streams: notes.streams, misfit: null }
}

// Null where it fits; then it is the head of its stream.
async function wrongWith(entry: LogEntry, log: EventLog, notes: Notes): Promise<string | null> {
  const { stream, revision } = entry
  if ('foreign' in entry) return `foreign: ${entry.foreign}`
  const head = notes.head(stream)
  const expected = head === null ? 0 : head.revision + 1
  if (revision < expected) return `reordered: revision ${expected - 1} stands before it`
  if (revision > expected) return whyNotThere(log, stream, expected)
  if (!bearsItsHash(entry)) return 'changed: its hash is not of what it holds'
  const unchained = wrongAfter(head, entry)
  if (unchained !== null) return unchained
  const { id, hash, recordedAt } = entry.metadata
  if (!notes.addId(stream, id) && (await hasIdBefore(log, entry)))
    return 'repeated: an event before it in its stream has the same id'
  notes.setHead(stream, { revision, hash, recordedAt })
  return null
}

function wrongAfter(head: StreamHead | null, { metadata }: StoredEvent): string | null {
  if (metadata.prev !== (head?.hash ?? null))
    return 'unchained: the event before it is not the one it follows'
  if (head !== null && metadata.recordedAt < head.recordedAt)
    return 'reordered: it says that it was recorded earlier than the event before it'
  return null
}

async function whyNotThere(log: EventLog, stream: string, revision: number): Promise<string> {
  const [there] = await log.readStream(stream, revision, 1).catch((error: unknown) => {
    if (error instanceof StoreError && error.code === 'store-damaged') return []
    throw error
  })
  return there?.revision === revision
    ? `reordered: revision ${revision} stands behind it`
    : `missing: there is no revision ${revision} before it`
}

function bearsItsHash(event: StoredEvent): boolean {
  try {
    return eventHash(event) === event.metadata.hash
  } catch (error) {
    // Nested too deep for the stack, which nothing was that the ledger wrote.
    if (error instanceof RangeError) return false
    throw error
  }
}

async function hasIdBefore(log: EventLog, { stream, revision, metadata }: StoredEvent): Promise<boolean> {
  for (let from = 0; from < revision; ) {
    const page = await log.readStream(stream, from, Math.min(500, revision - from))
    if (page.length === 0) return false
    if (page.some((event) => event.metadata.id === metadata.id)) return true
    from += page.length
  }
  return false
}
