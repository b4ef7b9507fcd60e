import { type EventLog, eventOf, type LogEntry } from '../event-store/event-store.ts'
import { eventHash, type Position } from '../ledger/event.ts'

/** The target is no beginning of the source: nothing more is copied there. */
export class CopyRefused extends Error {
  override name = 'CopyRefused'
  readonly code = 'copy-refused'
}

/** Up to where two logs have been found the same. */
export interface Reached {
  readonly events: number
  readonly source: Position | null
  readonly target: Position | null
}

export const NOTHING: Reached = { events: 0, source: null, target: null }

const PAGE = 1_000

/**
 * Compares two logs event by event, from where they are known to be the same to the end of `target`. Rejects with
 * `CopyRefused` at the first event of `target` that is not the one at that place in `source`.
 */
export async function compare(
  source: EventLog,
  target: EventLog,
  from: Reached,
  onProgress: (events: number) => void = () => {},
): Promise<Reached> {
  let reached = from
  // The next one last, as `pop` takes them.
  let originals: LogEntry[] = []
  for (;;) {
    const copies = await target.readAll(reached.target, PAGE)
    for (const copy of copies) {
      if (originals.length === 0) originals = (await source.readAll(reached.source, PAGE)).reverse()
      const original = originals.pop()
      if (original === undefined || !isSame(original, copy)) throw differenceAt(original ?? null, copy)
      reached = { events: reached.events + 1, source: original.position, target: copy.position }
    }
    if (copies.length === 0) return reached
    onProgress(reached.events)
  }
}

/** Says what stands where in both logs; null where one of them ends. */
export function differenceAt(original: LogEntry | null, copy: LogEntry | null): CopyRefused {
  if (copy === null) return new CopyRefused(`the target lacks ${placeOf(original)}`)
  if (original !== null && placeOf(original) === placeOf(copy))
    return new CopyRefused(`the target has another event at ${placeOf(copy)}`)
  return new CopyRefused(
    `the target is no beginning of this log: it has ${placeOf(copy)} where this log has ${placeOf(original)}`,
  )
}

function placeOf(entry: LogEntry | null): string {
  return entry === null ? 'nothing' : `${entry.stream}, revision ${entry.revision}`
}

// The hash that is computed is of all that it holds, but for the hash that it bears.
function isSame(original: LogEntry, copy: LogEntry): boolean {
  if ('foreign' in copy) return false
  const event = eventOf(original)
  return event.metadata.hash === copy.metadata.hash && eventHash(event) === eventHash(copy)
}
