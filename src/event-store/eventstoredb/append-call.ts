import { type Position, UnavailableError } from '@eventstore/db-client'
import { unpackToCommandError } from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js'
import { convertToCommandError } from '@eventstore/db-client/dist/utils/CommandError.js'
import { parseUUID } from '@eventstore/db-client/dist/utils/grpcUUID.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Status } from '@eventstore/db-client/generated/status_pb.js'
import type { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import emptyPb from 'google-protobuf/google/protobuf/empty_pb.js'
import timestampPb from 'google-protobuf/google/protobuf/timestamp_pb.js'
import { silence } from './errors.ts'

/** EventStoreDB's BatchAppend call, on which any number of appends go side by side. */
export type BatchAppendCall = ReturnType<StreamsClient['batchAppend']>

/** An event for its exact place in a stream. */
export interface Proposal {
  /** As on the wire. */
  readonly stream: string
  readonly revision: number
  /** A UUID, by which the server knows a repetition at that place. */
  readonly id: string
  readonly type: string
  readonly json: string
  readonly metadataJson: string
}

/** What the server answers to one that it has stored, or had already. */
export interface Accepted {
  readonly revision: number
  /** Where in the log, null where the server does not say. */
  readonly place: Position | null
}

interface Waiting {
  readonly stream: string
  readonly resolve: (accepted: Accepted) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

// The server compares it with its own clock, so none is named: what is not answered in time is given up here.
const NO_DEADLINE = timestampPb.Timestamp.fromDate(new Date('9999-01-01T00:00:00Z'))
const NO_STREAM = new emptyPb.Empty()

/**
 * One such call, from the first append on it to its end. Each append has its own time to be answered and fails by itself;
 * a call that ends fails those that wait on it and no others, and an answer to nobody is dropped.
 */
export class AppendCall {
  readonly #call: BatchAppendCall
  readonly #onUnready: (error: Error) => void
  readonly #waiting = new Map<string, Waiting>()
  #proposed = 0
  #ending: Error | null = null

  /** `onUnready` hears when the server cannot take appends now, though the call lives. */
  constructor(call: BatchAppendCall, onUnready: (error: Error) => void) {
    this.#call = call
    this.#onUnready = onUnready
    call.on('data', (answer: streams.BatchAppendResp) => this.#settle(answer))
    call.on('error', (error: Error) => this.#end(convertToCommandError(error)))
    // The server has closed its side: without the other one the call would stand half open.
    call.on('end', () => {
      call.end()
      this.#end(new UnavailableError(undefined, 'the server has ended the call'))
    })
  }

  /** Rejects with an error of the client; as `silence` where no answer comes in so many milliseconds. */
  append(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    if (this.#ending !== null) return Promise.reject(this.#ending)
    const id = uuidOf(++this.#proposed)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#take(id)?.reject(silence()), patienceMs)
      this.#waiting.set(id, { stream: proposal.stream, resolve, reject, timer })
      this.#call.write(requestOf(id, proposal))
    })
  }

  #settle(answer: streams.BatchAppendResp): void {
    const waiting = this.#take(parseUUID(answer.getCorrelationId()) ?? '')
    if (waiting === undefined) return
    const refusal = answer.getError()
    if (refusal === undefined) {
      waiting.resolve(acceptedOf(answer.getSuccess()))
      return
    }
    const error = errorOf(refusal, waiting.stream)
    waiting.reject(error)
    if (error instanceof UnavailableError) this.#onUnready(error)
  }

  #take(id: string): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    clearTimeout(waiting?.timer)
    this.#waiting.delete(id)
    return waiting
  }

  #end(error: Error): void {
    this.#ending = error
    for (const id of [...this.#waiting.keys()]) this.#take(id)?.reject(error)
  }
}

// Unique within the call, which is all that is asked of it.
function uuidOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

function requestOf(correlationId: string, proposal: Proposal): streams.BatchAppendReq {
  const { stream, revision, id, type, json, metadataJson } = proposal
  const options = new streams.BatchAppendReq.Options()
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream)))
    .setDeadline(NO_DEADLINE)
  if (revision === 0) options.setNoStream(NO_STREAM)
  else options.setStreamPosition(String(revision - 1))
  const message = new streams.BatchAppendReq.ProposedMessage()
    .setId(new shared.UUID().setString(id))
    .setData(Buffer.from(json))
    .setCustomMetadata(Buffer.from(metadataJson))
  message.getMetadataMap().set('type', type).set('content-type', 'application/json')
  return new streams.BatchAppendReq()
    .setCorrelationId(new shared.UUID().setString(correlationId))
    .setOptions(options)
    .setProposedMessagesList([message])
    .setIsFinal(true)
}

function acceptedOf(success: streams.BatchAppendResp.Success | undefined): Accepted {
  const place = success?.getPosition()
  return {
    revision: Number(success?.getCurrentRevision() ?? Number.NaN),
    place:
      place === undefined
        ? null
        : { commit: BigInt(place.getCommitPosition()), prepare: BigInt(place.getPreparePosition()) },
  }
}

/** A node that is starting, electing or too busy says so in words alone. */
const IN_WORDS = 'google.protobuf.Empty'

function errorOf(refusal: Status, stream: string): Error {
  const details = refusal.getDetails()
  return details === undefined || details.getTypeName() === IN_WORDS
    ? new UnavailableError(undefined, refusal.getMessage())
    : unpackToCommandError(refusal, stream)
}
