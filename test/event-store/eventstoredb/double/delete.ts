/** A test double of EventStoreDB; the real server has the last word. Here are the Delete and Tombstone calls. */

import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams, {
  type DeleteReq,
  type DeleteResp,
  type TombstoneReq,
  type TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb.js'
import type { handleUnaryCall } from '@grpc/grpc-js'
import { grpcError } from './refusals.ts'
import { type Caller, meet, type ServerNode } from './server-node.ts'
import { expectedOf, nameOf } from './wire.ts'
import { type Outcome, remove, tombstone } from './writes.ts'

export function deleteHandler(node: ServerNode): handleUnaryCall<DeleteReq, DeleteResp> {
  return (call, callback) => {
    const outcome = settle(node, call, call.request.getOptions(), remove)
    node.later(node.faults.delay(), () => {
      if ('refused' in outcome) return callback(grpcError(outcome.refused))
      const { position } = outcome.stored
      const answer = new streams.DeleteResp()
      if (position === null) return callback(null, answer.setNoPosition(new shared.Empty()))
      const place = new streams.DeleteResp.Position()
        .setCommitPosition(String(position))
        .setPreparePosition(String(position))
      callback(null, answer.setPosition(place))
    })
  }
}

export function tombstoneHandler(node: ServerNode): handleUnaryCall<TombstoneReq, TombstoneResp> {
  return (call, callback) => {
    const outcome = settle(node, call, call.request.getOptions(), tombstone)
    node.later(node.faults.delay(), () => {
      if ('refused' in outcome) return callback(grpcError(outcome.refused))
      const { position } = outcome.stored
      const answer = new streams.TombstoneResp()
      if (position === null) return callback(null, answer.setNoPosition(new shared.Empty()))
      const place = new streams.TombstoneResp.Position()
        .setCommitPosition(String(position))
        .setPreparePosition(String(position))
      callback(null, answer.setPosition(place))
    })
  }
}

function settle(
  node: ServerNode,
  caller: Caller,
  options: DeleteReq.Options | TombstoneReq.Options | undefined,
  apply: typeof remove,
): Outcome {
  const { refusal } = meet(node, caller, 'delete')
  if (refusal !== null) return { refused: refusal }
  if (options === undefined) return { refused: { reason: 'handler-failed' } }
  const expected = expectedOf(options, options.getRevision())
  return apply(node.log, nameOf(options.getStreamIdentifier()), expected)
}
