import { parseUUID } from '@eventstore/db-client/dist/utils/grpcUUID.js'
import type { Status } from '@eventstore/db-client/generated/status_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { PbfReader, type PbfWriter } from 'pbf'
import type { Place } from './position.ts'

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
  /** Null where there is no such stream after all. */
  readonly revision: number | null
  /** Where in the log, null where the server does not say. */
  readonly place: Place | null
}

/** Its answer to the append of that number; `refusal` where it is not stored. */
export type Answer =
  | { readonly number: number; readonly accepted: Accepted }
  | { readonly number: number; readonly refusal: Status }

/**
 * Messages of the BatchAppend call, in the fields of EventStoreDB's `streams.proto`. Written out, because every delivery
 * comes by here: the generated classes take ten times as long for it. What is rare is still theirs.
 */
const REQUEST = { correlation: 1, options: 2, proposed: 3, isFinal: 4 }
const OPTIONS = { stream: 1, position: 2, noStream: 3, deadline: 6 }
const PROPOSED = { id: 1, properties: 2, metadata: 3, data: 4 }
const ENTRY = { key: 1, value: 2 }
const UUID_TEXT = 2
const STREAM_NAME = 3
const TIMESTAMP_SECONDS = 1
const RESPONSE = { correlation: 1, success: 3 }
const SUCCESS = { revision: 1, position: 3 }
const PLACE = { commit: 1, prepare: 2 }

// The server compares it with its own clock, so none is named: what is not answered in time is given up here.
const NO_DEADLINE_SECONDS = Date.parse('9999-01-01T00:00:00Z') / 1000

/** `proposal` as the append of that number on its call. */
export function writeAppend(number: number, proposal: Proposal, writer: PbfWriter): void {
  writer.writeMessage(REQUEST.correlation, writeUuid, uuidOf(number))
  writer.writeMessage(REQUEST.options, writeOptions, proposal)
  writer.writeMessage(REQUEST.proposed, writeProposed, proposal)
  writer.writeBooleanField(REQUEST.isFinal, true)
}

export function appendAnswer(bytes: Uint8Array): Answer {
  const { uuid, accepted } = new PbfReader(bytes).readFields(readResponse, { uuid: '', accepted: null })
  if (accepted !== null && uuid !== '') return { number: numberOf(uuid), accepted }
  const response = streams.BatchAppendResp.deserializeBinary(bytes)
  const number = numberOf(parseUUID(response.getCorrelationId()) ?? '')
  const refusal = response.getError()
  return refusal === undefined ? { number, accepted: accepted ?? NOWHERE } : { number, refusal }
}

const NOWHERE: Accepted = { revision: null, place: null }

function writeUuid(uuid: string, writer: PbfWriter): void {
  writer.writeStringField(UUID_TEXT, uuid)
}

function writeOptions({ stream, revision }: Proposal, writer: PbfWriter): void {
  writer.writeMessage(OPTIONS.stream, writeStreamName, stream)
  if (revision === 0) writer.writeMessage(OPTIONS.noStream, writeNothing, null)
  else writer.writeVarintField(OPTIONS.position, revision - 1)
  writer.writeMessage(OPTIONS.deadline, writeTimestamp, NO_DEADLINE_SECONDS)
}

function writeStreamName(name: string, writer: PbfWriter): void {
  writer.writeStringField(STREAM_NAME, name)
}

function writeTimestamp(seconds: number, writer: PbfWriter): void {
  writer.writeVarintField(TIMESTAMP_SECONDS, seconds)
}

function writeNothing(): void {}

function writeProposed({ id, type, json, metadataJson }: Proposal, writer: PbfWriter): void {
  writer.writeMessage(PROPOSED.id, writeUuid, id)
  writer.writeMessage(PROPOSED.properties, writeProperty, ['type', type])
  writer.writeMessage(PROPOSED.properties, writeProperty, ['content-type', 'application/json'])
  writer.writeBytesField(PROPOSED.metadata, Buffer.from(metadataJson))
  writer.writeBytesField(PROPOSED.data, Buffer.from(json))
}

function writeProperty([key, value]: readonly [string, string], writer: PbfWriter): void {
  writer.writeStringField(ENTRY.key, key)
  writer.writeStringField(ENTRY.value, value)
}

interface Response {
  uuid: string
  accepted: Accepted | null
}

function readResponse(field: number, response: Response, reader: PbfReader): void {
  if (field === RESPONSE.correlation) reader.readMessage(readUuid, response)
  else if (field === RESPONSE.success)
    response.accepted = reader.readMessage(readSuccess, { revision: null, place: null })
}

function readUuid(field: number, response: Response, reader: PbfReader): void {
  if (field === UUID_TEXT) response.uuid = reader.readString()
}

function readSuccess(field: number, accepted: Mutable<Accepted>, reader: PbfReader): void {
  if (field === SUCCESS.revision) accepted.revision = reader.readVarint()
  else if (field === SUCCESS.position)
    accepted.place = reader.readMessage(readPlace, { commit: 0, prepare: 0 })
}

function readPlace(field: number, place: Mutable<Place>, reader: PbfReader): void {
  if (field === PLACE.commit) place.commit = reader.readVarint()
  else if (field === PLACE.prepare) place.prepare = reader.readVarint()
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

// Unique within the call, which is all that is asked of it.
function uuidOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

function numberOf(uuid: string): number {
  return Number.parseInt(uuid.slice(24), 16)
}
