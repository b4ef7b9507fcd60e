/**
 * A test double of EventStoreDB; the real server has the last word. Here is how it says no: as a gRPC status with
 * metadata, and to one append of a batch as a status within the answer, with details.
 */

import codes, { type Code } from '@eventstore/db-client/generated/code_pb.js'
import shared, { type WrongExpectedVersion } from '@eventstore/db-client/generated/shared_pb.js'
import rpc, { type Status } from '@eventstore/db-client/generated/status_pb.js'
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import anyPb from 'google-protobuf/google/protobuf/any_pb.js'
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js'
import { type Expected, NO_STREAM } from './commit-check.ts'
import { APPEND_SIZE_LIMIT, type Refusal } from './refusal.ts'
import { identifierOf } from './wire.ts'

/** The details of an answer that has none. */
const EMPTY = 'google.protobuf.Empty'

/** As the answer to a call of its own, or as the end of a stream. */
export function grpcError(refusal: Refusal): ServiceError {
  switch (refusal.reason) {
    case 'wrong-expected-version': {
      const { stream, expected, current } = refusal
      const versions = `Expected version: ${versionOf(expected)}, Actual version: ${current}`
      const text = `Delete failed due to WrongExpectedVersion. Stream: ${stream}, ${versions}`
      return error(status.FAILED_PRECONDITION, text, {
        exception: 'wrong-expected-version',
        'stream-name': stream,
        'expected-version': String(versionOf(expected)),
        'actual-version': String(current),
      })
    }
    case 'stream-deleted':
      return error(status.FAILED_PRECONDITION, `Event stream '${refusal.stream}' is deleted.`, {
        exception: 'stream-deleted',
        'stream-name': refusal.stream,
      })
    case 'not-leader':
      return error(status.NOT_FOUND, 'Leader info available', {
        exception: 'not-leader',
        'leader-endpoint-host': refusal.leader.host,
        'leader-endpoint-port': String(refusal.leader.port),
      })
    case 'maximum-append-size-exceeded':
      return error(status.INVALID_ARGUMENT, `Maximum Append Size of ${APPEND_SIZE_LIMIT} Exceeded.`, {
        exception: 'maximum-append-size-exceeded',
        'maximum-append-size': String(APPEND_SIZE_LIMIT),
      })
    case 'access-denied':
      return error(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' })
    case 'unauthenticated':
      return error(status.UNAUTHENTICATED, 'Unauthenticated')
    case 'unavailable':
      return error(status.UNAVAILABLE, 'Server Is Too Busy')
    case 'not-ready':
      return error(status.UNAVAILABLE, 'Server Is Not Ready')
    case 'no-leader':
      return error(status.UNKNOWN, 'No leader info available in response')
    case 'timeout':
      return error(status.ABORTED, 'Operation timed out: Commit phase timeout.')
    case 'consumer-too-slow':
      return error(
        status.ABORTED,
        'Operation timed out: Consumer too slow to handle event while live. Client resubscription required.',
      )
    case 'shutting-down':
      // The client's own words for a stream that the server just drops.
      return error(status.INTERNAL, 'Received RST_STREAM with code 0 (Call ended without gRPC status)')
    case 'read-stream-failed':
      return error(status.UNKNOWN, 'Unexpected ReadStreamResult: Error')
    case 'read-all-failed':
      return error(status.UNKNOWN, 'Unexpected ReadAllResult: Error')
    case 'handler-failed':
    case 'malformed':
      return error(status.UNKNOWN, 'Exception was thrown by handler.')
  }
}

/** As the answer to one append of a batch; null where the whole batch ends with an error. */
export function batchStatus(refusal: Refusal): Status | null {
  const { Code } = codes
  switch (refusal.reason) {
    case 'wrong-expected-version':
      return answer(Code.ALREADY_EXISTS, 'WrongExpectedVersion', wrongExpectedVersion(refusal))
    case 'stream-deleted': {
      const details = new shared.StreamDeleted().setStreamIdentifier(identifierOf(refusal.stream))
      return answer(Code.NOT_FOUND, 'StreamDeleted', details)
    }
    case 'maximum-append-size-exceeded': {
      const details = new shared.MaximumAppendSizeExceeded().setMaxappendsize(APPEND_SIZE_LIMIT)
      return answer(Code.INVALID_ARGUMENT, 'MaximumAppendSizeExceeded', details)
    }
    case 'access-denied':
      return answer(Code.PERMISSION_DENIED, 'AccessDenied', new shared.AccessDenied())
    case 'timeout':
      return answer(Code.DEADLINE_EXCEEDED, 'Timeout', new shared.Timeout())
    case 'malformed':
      return answer(Code.INVALID_ARGUMENT, 'BadRequest', new shared.BadRequest())
    case 'not-ready':
      return answer(Code.OK, 'Server Is Not Ready', new emptyPb.Empty(), EMPTY)
    case 'no-leader':
      return answer(Code.OK, 'No leader info available in response', new emptyPb.Empty(), EMPTY)
    default:
      return null
  }
}

/** A number for what is expected, as error texts and metadata have it. */
function versionOf(expected: Expected): bigint {
  switch (expected) {
    case 'any':
      return -2n
    case 'no_stream':
      return NO_STREAM
    case 'stream_exists':
      return -4n
    default:
      return expected
  }
}

function wrongExpectedVersion(
  refusal: Extract<Refusal, { reason: 'wrong-expected-version' }>,
): WrongExpectedVersion {
  const { expected, current } = refusal
  const details = new shared.WrongExpectedVersion()
  if (current === NO_STREAM) details.setCurrentNoStream(new emptyPb.Empty())
  else details.setCurrentStreamRevision(String(current))
  if (expected === 'any') details.setExpectedAny(new emptyPb.Empty())
  else if (expected === 'no_stream') details.setExpectedNoStream(new emptyPb.Empty())
  else if (expected === 'stream_exists') details.setExpectedStreamExists(new emptyPb.Empty())
  else details.setExpectedStreamPosition(String(expected))
  return details
}

function error(code: status, details: string, metadata: Record<string, string> = {}): ServiceError {
  const sent = new Metadata()
  for (const [key, value] of Object.entries(metadata)) sent.set(key, value)
  return Object.assign(new Error(details), { code, details, metadata: sent })
}

interface Details {
  serializeBinary(): Uint8Array
}

function answer(code: Code, name: string, details: Details, type = `event_store.client.${name}`): Status {
  const packed = new anyPb.Any()
  packed.pack(details.serializeBinary(), type)
  return new rpc.Status().setCode(code).setMessage(name).setDetails(packed)
}
