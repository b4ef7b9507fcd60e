/**
 * A test double of EventStoreDB; the real server has the last word. Here is the BatchAppend call, by which a client sends
 * any number of appends, in parts and side by side, and hears of each by its correlation id.
 */

import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams, {
  type BatchAppendReq,
  type BatchAppendResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js'
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js'
import { settle } from './append.ts'
import type { Expected } from './commit-check.ts'
import type { ProposedEvent } from './log.ts'
import { APPEND_SIZE_LIMIT } from './refusal.ts'
import { batchStatus, grpcError } from './refusals.ts'
import type { ServerNode } from './server-node.ts'
import { expectedOf, identifierOf, nameOf, proposedEvent } from './wire.ts'
import type { Outcome } from './writes.ts'

type Call = ServerDuplexStream<BatchAppendReq, BatchAppendResp>

/** An append of which not all parts have come. */
interface Pending {
  readonly stream: string
  readonly expected: Expected
  readonly events: ProposedEvent[]
  malformed: boolean
  size: number
}

export function batchAppendHandler(
  node: ServerNode,
): handleBidiStreamingCall<BatchAppendReq, BatchAppendResp> {
  return (call) => {
    const pending = new Map<string, Pending>()
    call.on('data', (request: BatchAppendReq) => receive(node, call, pending, request))
    call.on('end', () => call.end())
  }
}

function receive(node: ServerNode, call: Call, pending: Map<string, Pending>, request: BatchAppendReq): void {
  const id = request.getCorrelationId()?.getString() ?? ''
  const options = request.getOptions()
  if (options !== undefined) {
    const stream = nameOf(options.getStreamIdentifier())
    const deadline = options.getDeadline()?.toDate()
    if (deadline !== undefined && deadline.getTime() <= Date.now()) {
      answer(call, id, stream, { refused: { reason: 'timeout' } })
      return
    }
    const expected = expectedOf(options, options.getStreamPosition())
    pending.set(id, { stream, expected, events: [], malformed: false, size: 0 })
  }
  const append = pending.get(id)
  // Nothing more is said of an append that was answered before its end.
  if (append === undefined) return
  add(append, request)
  if (append.size > APPEND_SIZE_LIMIT) {
    pending.delete(id)
    answer(call, id, append.stream, { refused: { reason: 'maximum-append-size-exceeded' } })
    return
  }
  if (!request.getIsFinal()) return
  pending.delete(id)
  node.counts.batchAppends += 1
  settle(node, call, append.malformed ? null : append, (outcome) => answer(call, id, append.stream, outcome))
}

function add(append: Pending, request: BatchAppendReq): void {
  for (const message of request.getProposedMessagesList()) {
    const event = proposedEvent(message)
    if (event === null) append.malformed = true
    else append.events.push(event)
    append.size += message.getData_asU8().length
  }
}

function answer(call: Call, correlationId: string, stream: string, outcome: Outcome): void {
  if (call.cancelled || call.writableEnded) return
  const message = new streams.BatchAppendResp()
    .setCorrelationId(new shared.UUID().setString(correlationId))
    .setStreamIdentifier(identifierOf(stream))
  if ('stored' in outcome) {
    call.write(message.setSuccess(success(outcome)))
    return
  }
  const status = batchStatus(outcome.refused)
  if (status === null) call.emit('error', grpcError(outcome.refused))
  else call.write(message.setError(status))
}

function success({
  stored: { revision, position },
}: Extract<Outcome, { stored: unknown }>): BatchAppendResp.Success {
  const answer = new streams.BatchAppendResp.Success()
  if (revision === null) answer.setNoStream(new emptyPb.Empty())
  else answer.setCurrentRevision(String(revision))
  if (position === null) return answer.setNoPosition(new emptyPb.Empty())
  const place = new shared.AllStreamPosition()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position))
  return answer.setPosition(place)
}
