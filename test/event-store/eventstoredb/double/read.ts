/**
 * A test double of EventStoreDB; the real server has the last word. Here is the Read call: of a stream or of `$all`,
 * forwards or backwards. A subscription is asked for by the same call.
 */

import streams, { type ReadReq, type ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { handleServerStreamingCall } from '@grpc/grpc-js'
import { fail, type ReadCall, write } from './delivery.ts'
import { type Filter, filterOf } from './filter.ts'
import type { Log, StoredEvent } from './log.ts'
import type { Refusal } from './refusal.ts'
import { meet, type ServerNode } from './server-node.ts'
import { startOf } from './starting-place.ts'
import { readableFrom } from './stream-metadata.ts'
import { subscribe } from './subscription.ts'
import { identifierOf, nameOf, readEvent } from './wire.ts'

type Options = ReadReq.Options

const BACKWARDS = 1

export function readHandler(node: ServerNode): handleServerStreamingCall<ReadReq, ReadResp> {
  return (call) => {
    const options = call.request.getOptions()
    if (options === undefined) return fail(call, { reason: 'handler-failed' })
    if (options.hasSubscription()) {
      node.counts.subscriptions += 1
      subscribe(node, call, options)
      return
    }
    node.counts.reads += 1
    const { fault, refusal } = meet(node, call, 'read')
    if (fault?.name === 'silent-reads') return
    node.later(node.faults.delay(), () => {
      if (refusal !== null) return fail(call, refusal)
      const answer = options.hasAll() ? readAll(node.log, options) : readStream(node.log, options)
      if (answer === 'never') return
      if ('reason' in answer) fail(call, answer)
      else void deliver(call, answer)
    })
  }
}

/** A response, or events of which only as many are put into messages as the reader takes. */
type Answer = Refusal | Iterable<ReadResp> | 'never'

function readStream(log: Log, options: Options): Answer {
  const from = options.getStream()
  const stream = nameOf(from?.getStreamIdentifier())
  const first = readableFrom(log, stream)
  const count = Number(options.getCount())
  if (from === undefined || count === 0) return { reason: 'read-stream-failed' }
  if (first === 'deleted') return { reason: 'stream-deleted', stream }
  if (first === 'not-found') return [streamNotFound(stream)]
  const events = log.stream(stream)
  if (options.getReadDirection() === BACKWARDS) {
    const last = from.hasStart() ? 0 : from.hasEnd() ? events.length - 1 : Number(from.getRevision())
    return responses(events.slice(first, last + 1).reverse(), count)
  }
  if (from.hasEnd()) return { reason: 'read-stream-failed' }
  return responses(events.slice(Math.max(first, Number(from.getRevision()))), count)
}

function readAll(log: Log, options: Options): Answer {
  const from = options.getAll()
  const filter = options.getFilter()
  const matches = filter === undefined ? () => true : filterOf(filter)
  const backwards = options.getReadDirection() === BACKWARDS
  // The server goes round for ever.
  if (options.getCount() === '0') return 'never'
  if (from === undefined || matches === null) return { reason: 'handler-failed' }
  const start = startOf(log, from)
  if (start === null || (backwards && start === 'beyond')) return { reason: 'read-all-failed' }
  const index = start === 'beyond' ? log.events.length : start
  const events = backwards ? log.events.slice(0, index).reverse() : log.events.slice(index)
  return responses(filtered(events, matches), Number(options.getCount()))
}

function* filtered(events: readonly StoredEvent[], matches: Filter): Iterable<StoredEvent> {
  for (const event of events) if (matches(event)) yield event
}

function* responses(events: Iterable<StoredEvent>, count: number): Iterable<ReadResp> {
  let left = count
  for (const event of events) {
    yield readEvent(event)
    left -= 1
    if (left <= 0) return
  }
}

function streamNotFound(stream: string): ReadResp {
  const notFound = new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(stream))
  return new streams.ReadResp().setStreamNotFound(notFound)
}

async function deliver(call: ReadCall, answer: Iterable<ReadResp>): Promise<void> {
  for (const response of answer) {
    if (!(await write(call, response))) return
  }
  call.end()
}
