/**
 * A test double of EventStoreDB; the real server has the last word. Here is the Append call: one append, and the answer.
 * The client makes it where credentials are given with the append; all others go into a batch.
 */

import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams, { type AppendReq, type AppendResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { handleClientStreamingCall } from '@grpc/grpc-js'
import { type Expected, NO_STREAM } from './commit-check.ts'
import type { ProposedEvent } from './log.ts'
import type { Refusal } from './refusal.ts'
import { grpcError } from './refusals.ts'
import { type Caller, meet, type ServerNode } from './server-node.ts'
import { expectedOf, nameOf, proposedEvent } from './wire.ts'
import { type Append, append, type Outcome } from './writes.ts'

export function appendHandler(node: ServerNode): handleClientStreamingCall<AppendReq, AppendResp> {
  return (call, callback) => {
    const requests: AppendReq[] = []
    call.on('data', (request: AppendReq) => requests.push(request))
    call.on('end', () => {
      node.counts.appends += 1
      settle(node, call, appendOf(requests), (outcome) => {
        if (!('refused' in outcome)) return callback(null, success(outcome))
        const { refused } = outcome
        if (refused.reason === 'wrong-expected-version') callback(null, wrongExpectedVersion(refused))
        else callback(grpcError(refused))
      })
    })
  }
}

/** Does with an append what the rules and the standing faults say, and answers it if it is to be answered. */
export function settle(
  node: ServerNode,
  caller: Caller,
  request: Append | null,
  answer: (outcome: Outcome) => void,
): void {
  const { fault, refusal } = meet(node, caller, 'append')
  const store = (): Outcome =>
    request === null ? { refused: { reason: 'malformed' } } : append(node.log, request)
  switch (fault?.name) {
    case 'drop-before-store':
      node.cut(caller.getPeer())
      return
    case 'store-then-drop':
      store()
      node.cut(caller.getPeer())
      return
    case 'never-answer':
      return
    case 'end-batch':
      caller.end?.()
      return
    case 'store-never-answer':
      store()
      return
    case 'timeout-error':
      if (fault.stored === true) store()
  }
  const outcome = refusal === null ? store() : { refused: refusal }
  node.later(node.faults.delay(), () => answer(outcome))
}

/** Null for one that the server chokes on. */
function appendOf([head, ...rest]: readonly AppendReq[]): Append | null {
  const options = head?.getOptions()
  if (options === undefined) return null
  const events = rest.map((request) => {
    const message = request.getProposedMessage()
    return message === undefined ? null : proposedEvent(message)
  })
  const proposed = events.filter((event): event is ProposedEvent => event !== null)
  if (proposed.length < events.length) return null
  const stream = nameOf(options.getStreamIdentifier())
  return { stream, expected: expectedOf(options, options.getRevision()), events: proposed }
}

function success({ stored: { revision, position } }: Extract<Outcome, { stored: unknown }>): AppendResp {
  const answer = new streams.AppendResp.Success()
  if (revision === null) answer.setNoStream(new shared.Empty())
  else answer.setCurrentRevision(String(revision))
  if (position === null) return new streams.AppendResp().setSuccess(answer.setNoPosition(new shared.Empty()))
  const place = new streams.AppendResp.Position()
    .setCommitPosition(String(position))
    .setPreparePosition(String(position))
  return new streams.AppendResp().setSuccess(answer.setPosition(place))
}

function wrongExpectedVersion(refused: Extract<Refusal, { reason: 'wrong-expected-version' }>): AppendResp {
  const answer = new streams.AppendResp.WrongExpectedVersion()
  if (refused.current === NO_STREAM) answer.setCurrentNoStream(new shared.Empty())
  else answer.setCurrentRevision(String(refused.current))
  setExpected(answer, refused.expected)
  return new streams.AppendResp().setWrongExpectedVersion(answer)
}

function setExpected(answer: AppendResp.WrongExpectedVersion, expected: Expected): void {
  if (expected === 'any') answer.setExpectedAny(new shared.Empty())
  else if (expected === 'no_stream') answer.setExpectedNoStream(new shared.Empty())
  else if (expected === 'stream_exists') answer.setExpectedStreamExists(new shared.Empty())
  else answer.setExpectedRevision(String(expected))
}
