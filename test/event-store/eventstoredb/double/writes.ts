/**
 * A test double of EventStoreDB; the real server has the last word. Here is what becomes of a write: the check, the
 * limit, and what the server writes along with it.
 */
import { randomUUID } from 'node:crypto'
import { checkCommit, type Expected, headOf, NO_STREAM, type Verdict } from './commit-check.ts'
import type { Log, ProposedEvent, StoredEvent } from './log.ts'
import { APPEND_SIZE_LIMIT, type Refusal } from './refusal.ts'
import {
  isSoftDeleted,
  metadataEvent,
  metadataOf,
  metastreamOf,
  originalOf,
  readableFrom,
  softDelete,
  undelete,
} from './stream-metadata.ts'

export interface Append {
  readonly stream: string
  readonly expected: Expected
  readonly events: readonly ProposedEvent[]
}

/** Null where the server does not say: of a stream without events, and of an event that reads do not show. */
export type Outcome =
  | { readonly stored: { readonly revision: bigint | null; readonly position: bigint | null } }
  | { readonly refused: Refusal }

export function append(log: Log, { stream, expected, events }: Append): Outcome {
  const size = events.reduce((sum, { data }) => sum + data.length, 0)
  if (size > APPEND_SIZE_LIMIT) return { refused: { reason: 'maximum-append-size-exceeded' } }
  if (stream === '' || events.some(({ type }) => type === '')) return { refused: { reason: 'malformed' } }
  const ids = events.map(({ id }) => id)
  const verdict = checkCommit(log, stream, expected, ids)
  switch (verdict.verdict) {
    case 'write':
      return write(log, stream, events)
    case 'written':
      return { stored: { revision: verdict.last.revision, position: readablePosition(log, verdict.last) } }
    default:
      return { refused: refusal(verdict, stream, expected) }
  }
}

/** A soft delete, which is a write to the metastream. */
export function remove(log: Log, stream: string, expected: Expected): Outcome {
  const verdict = checkCommit(log, stream, expected, [randomUUID()])
  if (verdict.verdict !== 'write') return { refused: refusal(verdict, stream, expected) }
  if (log.stream(stream).length === 0 && log.stream(metastreamOf(stream)).length === 0) {
    return { refused: { reason: 'wrong-expected-version', stream, expected, current: NO_STREAM } }
  }
  return place(log.append(metastreamOf(stream), [softDelete()]))
}

/** For good. Also of a stream that never was. */
export function tombstone(log: Log, stream: string, expected: Expected): Outcome {
  const verdict = checkCommit(log, stream, expected, [randomUUID()])
  if (verdict.verdict !== 'write') return { refused: refusal(verdict, stream, expected) }
  return place([log.tombstone(stream)])
}

/** What a foreign writer does when it says how a stream is to be truncated. */
export function truncate(log: Log, stream: string, before: bigint): void {
  log.append(metastreamOf(stream), [metadataEvent({ ...metadataOf(log, stream), $tb: Number(before) })])
}

function write(log: Log, stream: string, events: readonly ProposedEvent[]): Outcome {
  const head = headOf(log, stream)
  if (events.length === 0)
    return { stored: { revision: head === NO_STREAM ? null : head, position: log.end } }
  const target = originalOf(stream) ?? stream
  const undeletes = isSoftDeleted(log, target)
  const recreatedFrom = log.stream(target).length
  const stored = log.append(stream, events)
  if (undeletes) log.append(metastreamOf(target), [undelete(log, target, recreatedFrom)])
  return place(stored)
}

function place(stored: readonly StoredEvent[]): Outcome {
  const last = stored.at(-1)
  return { stored: { revision: last?.revision ?? null, position: last?.position ?? null } }
}

function readablePosition(log: Log, { stream, revision, position }: StoredEvent): bigint | null {
  const from = readableFrom(log, stream)
  return typeof from === 'number' && revision >= BigInt(from) ? position : null
}

function refusal(
  verdict: Exclude<Verdict, { verdict: 'write' }>,
  stream: string,
  expected: Expected,
): Refusal {
  switch (verdict.verdict) {
    case 'deleted':
      return { reason: 'stream-deleted', stream }
    case 'wrong-expected-version':
      return { reason: 'wrong-expected-version', stream, expected, current: verdict.current }
    case 'written':
      // A delete has a new id each time, so that it cannot be one.
      return { reason: 'wrong-expected-version', stream, expected, current: verdict.last.revision }
  }
}
