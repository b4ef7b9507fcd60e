/** A test double of EventStoreDB; the real server has the last word. Here is how it answers with many messages. */
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Refusal } from './refusal.ts'
import { grpcError } from './refusals.ts'

export type ReadCall = ServerWritableStream<ReadReq, ReadResp>

const GONE = ['cancelled', 'finish', 'close']

/** Waits until the reader takes more; false where it is gone. */
export function write(call: ReadCall, response: ReadResp): boolean | Promise<boolean> {
  if (call.cancelled || call.writableEnded) return false
  if (call.write(response)) return true
  return new Promise((resolve) => {
    const settle = (takesMore: boolean) => {
      call.removeListener('drain', more)
      for (const event of GONE) call.removeListener(event, none)
      resolve(takesMore)
    }
    const more = () => settle(true)
    const none = () => settle(false)
    call.once('drain', more)
    for (const event of GONE) call.once(event, none)
  })
}

export function fail(call: ReadCall, refusal: Refusal): void {
  call.emit('error', grpcError(refusal))
}
