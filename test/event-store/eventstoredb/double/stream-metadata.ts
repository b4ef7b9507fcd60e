/**
 * A test double of EventStoreDB; the real server has the last word. Here is what a stream's metadata, the newest event
 * of `$$stream`, does to its reads: `$maxCount` and `$tb` hide events, and `$tb` at its largest hides the whole stream,
 * which is what a (soft) delete is. Hidden events are still in `$all`.
 */
import { randomUUID } from 'node:crypto'
import { LARGEST_REVISION, type Log, type ProposedEvent } from './log.ts'

export const metastreamOf = (stream: string): string => `$$${stream}`

/** The stream that a metastream is about; null for a stream that is none. */
export const originalOf = (stream: string): string | null =>
  stream.startsWith('$$') ? stream.slice(2) : null

/** The first revision that reads show, or why they show nothing. */
export function readableFrom(log: Log, stream: string): number | 'deleted' | 'not-found' {
  const original = originalOf(stream)
  if (log.isTombstoned(stream) || (original !== null && log.isTombstoned(original))) return 'deleted'
  const { length } = log.stream(stream)
  if (length === 0 || isSoftDeleted(log, stream)) return 'not-found'
  // Of a metastream only the newest event is shown.
  if (original !== null) return length - 1
  const metadata = metadataOf(log, stream)
  return Math.max(0, length - count(metadata['$maxCount'], length), count(metadata['$tb'], 0))
}

export function isSoftDeleted(log: Log, stream: string): boolean {
  return originalOf(stream) === null && metadataOf(log, stream)['$tb'] === Number(LARGEST_REVISION)
}

/** What a soft delete writes to the metastream. */
export const softDelete = (): ProposedEvent => proposed(`{"$tb":${LARGEST_REVISION}}`)

/** What the server writes to the metastream when a soft-deleted stream is written to again. */
export function undelete(log: Log, stream: string, truncateBefore: number): ProposedEvent {
  return metadataEvent({ ...metadataOf(log, stream), $tb: truncateBefore })
}

export const metadataEvent = (metadata: object): ProposedEvent => proposed(JSON.stringify(metadata))

function proposed(json: string): ProposedEvent {
  const contentType = 'application/json'
  return {
    id: randomUUID(),
    type: '$metadata',
    contentType,
    data: Buffer.from(json),
    metadata: new Uint8Array(),
  }
}

export function metadataOf(log: Log, stream: string): Record<string, unknown> {
  const newest = log.stream(metastreamOf(stream)).at(-1)
  if (newest?.contentType !== 'application/json') return {}
  const text = Buffer.from(newest.data).toString()
  const metadata = parsed(text)
  // JavaScript spells the largest int64 as a larger number, and a number too large voids all of the metadata.
  const tooLarge =
    Number(metadata['$tb']) >= Number(LARGEST_REVISION) && !text.includes(`${LARGEST_REVISION}`)
  return tooLarge ? {} : metadata
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

const count = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && value > 0 ? value : otherwise
