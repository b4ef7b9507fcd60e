/** A test double of EventStoreDB; the real server has the last word. Here is where a reader of `$all` starts. */
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js'
import type { Log } from './log.ts'

/** The index of the first event at or after the position; null for a position where none starts or ends. */
export function startOf(log: Log, from: ReadReq.Options.AllOptions): number | 'beyond' | null {
  const position = from.getPosition()
  if (position === undefined) return from.hasEnd() ? log.events.length : 0
  const commit = BigInt(position.getCommitPosition())
  if (commit > log.end) return 'beyond'
  const index = log.indexAt(commit)
  const at = log.events[index]?.position ?? log.end
  return at === commit || commit === 0n ? index : null
}
