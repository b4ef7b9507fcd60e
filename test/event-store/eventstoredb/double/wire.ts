/**
 * A test double of EventStoreDB; the real server has the last word. Here is how what it keeps is put into messages, and
 * got out of them.
 */
import type { Empty } from '@eventstore/db-client/generated/shared_pb.js'
import shared, { type StreamIdentifier } from '@eventstore/db-client/generated/shared_pb.js'
import streams, {
  type AppendReq,
  type BatchAppendReq,
  type ReadResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import type { Expected } from './commit-check.ts'
import type { ProposedEvent, StoredEvent } from './log.ts'

/** .NET's ticks, in which the server says when an event was made. */
const TICKS_PER_MILLISECOND = 10_000n

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export const identifierOf = (stream: string): StreamIdentifier =>
  new shared.StreamIdentifier().setStreamName(Buffer.from(stream))

export const nameOf = (identifier: StreamIdentifier | undefined): string =>
  Buffer.from(identifier?.getStreamName_asU8() ?? []).toString()

/** Null for one that the server chokes on. */
export function proposedEvent(
  message: AppendReq.ProposedMessage | BatchAppendReq.ProposedMessage,
): ProposedEvent | null {
  const id = message.getId()?.getString().toLowerCase() ?? ''
  const properties = message.getMetadataMap()
  const type = properties.get('type') ?? ''
  if (!UUID.test(id) || type === '') return null
  return {
    id,
    type,
    contentType:
      properties.get('content-type') === 'application/json' ? 'application/json' : 'application/octet-stream',
    data: message.getData_asU8(),
    metadata: message.getCustomMetadata_asU8(),
  }
}

interface ExpectedOptions {
  hasAny(): boolean
  hasNoStream(): boolean
  hasStreamExists(): boolean
}

export function expectedOf(options: ExpectedOptions, revision: string): Expected {
  if (options.hasAny()) return 'any'
  if (options.hasNoStream()) return 'no_stream'
  return options.hasStreamExists() ? 'stream_exists' : BigInt(revision)
}

export function readEvent(event: StoredEvent): ReadResp {
  const position = String(event.position)
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(new shared.UUID().setString(event.id))
    .setStreamIdentifier(identifierOf(event.stream))
    .setStreamRevision(String(event.revision))
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setData(event.data)
    .setCustomMetadata(event.metadata)
  const ticks = BigInt(event.created.getTime()) * TICKS_PER_MILLISECOND
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('created', String(ticks))
    .set('content-type', event.contentType)
  const resolved = new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position)
  return new streams.ReadResp().setEvent(resolved)
}

export const empty = (): Empty => new shared.Empty()
