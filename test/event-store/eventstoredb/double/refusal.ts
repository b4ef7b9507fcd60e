/** A test double of EventStoreDB; the real server has the last word. Here is what it can say no for. */
import type { Expected } from './commit-check.ts'

export type Refusal =
  | {
      readonly reason: 'wrong-expected-version'
      readonly stream: string
      readonly expected: Expected
      readonly current: bigint
    }
  | { readonly reason: 'stream-deleted'; readonly stream: string }
  | { readonly reason: 'not-leader'; readonly leader: Leader }
  | {
      readonly reason:
        | 'access-denied'
        | 'consumer-too-slow'
        | 'handler-failed'
        | 'malformed'
        | 'maximum-append-size-exceeded'
        | 'no-leader'
        | 'not-ready'
        | 'read-all-failed'
        | 'read-stream-failed'
        | 'shutting-down'
        | 'timeout'
        | 'unauthenticated'
        | 'unavailable'
    }

export interface Leader {
  readonly host: string
  readonly port: number
}

/** Of one append, in bytes of data. The server means to count types and metadata too, and does not. */
export const APPEND_SIZE_LIMIT = 1024 * 1024
