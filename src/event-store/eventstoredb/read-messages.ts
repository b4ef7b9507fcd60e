import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams, { type ReadReq } from '@eventstore/db-client/generated/streams_pb.js'
import { PbfReader } from 'pbf'
import type { Place } from './position.ts'

/** What to read; `count` is left out of what goes on when all that is there has been read. */
export type ReadRequest = { readonly count?: number } & (
  | { readonly stream: string; readonly from: number }
  /** Of all streams whose names begin so: what stands behind a place and at it. */
  | { readonly from: Place; readonly prefixes: readonly string[] }
  /** Of all streams: what stands before a place, the last first. */
  | { readonly before: Place | 'end' }
)

/** An event as EventStoreDB gives it. */
export interface Recorded {
  readonly stream: string
  /** That of a deletion is the largest that there is, which no number holds exactly. */
  readonly revision: number
  readonly place: Place
  readonly type: string
  readonly isJson: boolean
  readonly data: Buffer
  readonly metadata: Buffer
}

/** Part of an answer. `progress`: word of how far the reading is, which nobody here needs. */
export type ReadAnswer = Recorded | 'no-such-stream' | 'progress'

/** So many events are looked at for one page that has to be filtered, before the server does something else. */
const SEARCH_WINDOW = 1_000
const BACKWARDS = 1

export function readRequest(what: ReadRequest): ReadReq {
  const nothing = new shared.Empty()
  const options = new streams.ReadReq.Options()
    .setUuidOption(new streams.ReadReq.Options.UUIDOption().setString(nothing))
    .setNoFilter(nothing)
  if (what.count === undefined) options.setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
  else options.setCount(String(what.count))
  if ('stream' in what) options.setStream(revisionOf(what.stream, what.from))
  else if ('prefixes' in what)
    options
      .setAll(what.from.commit === 0 ? all().setStart(nothing) : all().setPosition(placeOption(what.from)))
      .setFilter(filterOf(what.prefixes))
  else
    options
      .setAll(what.before === 'end' ? all().setEnd(nothing) : all().setPosition(placeOption(what.before)))
      .setReadDirection(BACKWARDS)
  return new streams.ReadReq().setOptions(options)
}

const all = () => new streams.ReadReq.Options.AllOptions()

function placeOption({ commit, prepare }: Place): ReadReq.Options.Position {
  return new streams.ReadReq.Options.Position()
    .setCommitPosition(String(commit))
    .setPreparePosition(String(prepare))
}

function revisionOf(stream: string, revision: number): ReadReq.Options.StreamOptions {
  return new streams.ReadReq.Options.StreamOptions()
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(stream)))
    .setRevision(String(revision))
}

function filterOf(prefixes: readonly string[]): ReadReq.Options.FilterOptions {
  const names = new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([...prefixes])
  return new streams.ReadReq.Options.FilterOptions()
    .setStreamIdentifier(names)
    .setMax(SEARCH_WINDOW)
    .setCheckpointintervalmultiplier(1)
}

// Fields of EventStoreDB's `streams.proto`. Read here, because a projection comes by with every event that there is: the
// generated classes and what the client makes of them take four times as long for it.
const RESPONSE = { event: 1, streamNotFound: 4 }
const EVENT = { recorded: 1 }
const RECORDED = { stream: 2, revision: 3, prepare: 4, commit: 5, properties: 6, metadata: 7, data: 8 }
const STREAM_NAME = 3
const ENTRY = { key: 1, value: 2 }
const NO_BYTES: Buffer = Buffer.alloc(0)

export function readAnswer(bytes: Uint8Array): ReadAnswer {
  const reader = new PbfReader(bytes)
  const field = reader.nextField()
  if (field === RESPONSE.streamNotFound) return 'no-such-stream'
  if (field !== RESPONSE.event) return 'progress'
  return reader.readMessage(readEvent, new Event()).recorded ?? 'progress'
}

// One shape for all, filled as the fields come.
class Event {
  recorded: Recorded | null = null
}

class Reading {
  stream = ''
  revision = 0
  place = { commit: 0, prepare: 0 }
  type = ''
  isJson = false
  data = NO_BYTES
  metadata = NO_BYTES
}

function readEvent(field: number, event: Event, reader: PbfReader): void {
  if (field === EVENT.recorded) event.recorded = reader.readMessage(readRecorded, new Reading())
}

function readRecorded(field: number, recorded: Reading, reader: PbfReader): void {
  if (field === RECORDED.stream) reader.readMessage(readStreamName, recorded)
  else if (field === RECORDED.revision) recorded.revision = reader.readVarint()
  else if (field === RECORDED.prepare) recorded.place.prepare = reader.readVarint()
  else if (field === RECORDED.commit) recorded.place.commit = reader.readVarint()
  else if (field === RECORDED.properties) readProperty(recorded, reader.readMessage(readEntry, ['', '']))
  else if (field === RECORDED.metadata) recorded.metadata = bytesIn(reader)
  else if (field === RECORDED.data) recorded.data = bytesIn(reader)
}

function readStreamName(field: number, recorded: Reading, reader: PbfReader): void {
  if (field === STREAM_NAME) recorded.stream = bytesIn(reader).toString()
}

type Entry = [key: string, value: string]

function readEntry(field: number, entry: Entry, reader: PbfReader): void {
  if (field === ENTRY.key) entry[0] = bytesIn(reader).toString()
  else if (field === ENTRY.value) entry[1] = bytesIn(reader).toString()
}

function readProperty(recorded: Reading, [key, value]: Entry): void {
  if (key === 'type') recorded.type = value
  else if (key === 'content-type') recorded.isJson = value === 'application/json'
}

function bytesIn(reader: PbfReader): Buffer {
  const bytes = reader.readBytes()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
