/**
 * A test double of EventStoreDB; the real server has the last word. Here is what may be written where, as the server's
 * IndexWriter.CheckCommit decides it, with its notion of a retry: a write whose ids are already where it would put them
 * is one that happened. Bodies are not compared, and a write at the head is not checked at all.
 */
import type { Log, StoredEvent } from './log.ts'
import { isSoftDeleted, metastreamOf } from './stream-metadata.ts'

export type Expected = 'any' | 'no_stream' | 'stream_exists' | bigint

export type Verdict =
  | { readonly verdict: 'write' }
  /** It is there already; `last` is the last of its events. */
  | { readonly verdict: 'written'; readonly last: StoredEvent }
  | { readonly verdict: 'wrong-expected-version'; readonly current: bigint }
  | { readonly verdict: 'deleted' }

const WRITE: Verdict = { verdict: 'write' }
const DELETED: Verdict = { verdict: 'deleted' }

/** The revision that stands for a stream without events. */
export const NO_STREAM = -1n

export function checkCommit(log: Log, stream: string, expected: Expected, ids: readonly string[]): Verdict {
  if (log.isTombstoned(stream)) return DELETED
  const current = headOf(log, stream)
  const wrong: Verdict = { verdict: 'wrong-expected-version', current }
  if (expected === 'stream_exists') {
    if (isSoftDeleted(log, stream)) return DELETED
    if (current === NO_STREAM && log.stream(metastreamOf(stream)).length === 0) return wrong
  }
  if (expected === 'any' || expected === 'stream_exists') return checkAnywhere(log, stream, ids, wrong)

  const revision = expected === 'no_stream' ? NO_STREAM : expected
  if (revision === current) return WRITE
  if (revision > current) return wrong
  const there = log.stream(stream).slice(Number(revision) + 1)
  const [matching, last] = matchingPart(ids, there)
  if (last !== undefined && matching === ids.length) return { verdict: 'written', last }
  return matching === 0 && ids.length > 0 && expected === 'no_stream' && isSoftDeleted(log, stream)
    ? WRITE
    : wrong
}

/** An id that is not remembered makes all of them new where it is the first, and all of them wrong where it is not. */
function checkAnywhere(log: Log, stream: string, ids: readonly string[], wrong: Verdict): Verdict {
  const known = ids.map((id) => log.firstWith(id))
  const unknown = known.findIndex((event) => event?.stream !== stream)
  if (unknown > 0) return wrong
  const last = known.at(-1)
  return unknown === 0 || last === undefined ? WRITE : { verdict: 'written', last }
}

/** How many of the ids, from the first on, are the ids of these events, and the last event that is. */
function matchingPart(ids: readonly string[], events: readonly StoredEvent[]): [number, StoredEvent?] {
  const differing = ids.findIndex((id, at) => events[at]?.id !== id)
  const matching = differing === -1 ? ids.length : differing
  const last = events[matching - 1]
  return last === undefined ? [matching] : [matching, last]
}

export const headOf = (log: Log, stream: string): bigint => BigInt(log.stream(stream).length) - 1n
