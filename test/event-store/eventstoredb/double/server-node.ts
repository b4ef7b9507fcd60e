/** A test double of EventStoreDB; the real server has the last word. Here is what its handlers share. */
import type { Metadata } from '@grpc/grpc-js'
import type { Call, Fault, Faults } from './faults.ts'
import { refusalBy } from './faults.ts'
import type { Log } from './log.ts'
import type { Refusal } from './refusal.ts'

/** What came in. `batchAppends` counts the appends within batches, of which the client sends all it has in one. */
export interface Counts {
  appends: number
  batchAppends: number
  reads: number
  subscriptions: number
}

export interface RunningSubscription {
  end(): void
  fail(refusal: Refusal): void
  setSilent(silent: boolean): void
}

export interface ServerNode {
  readonly log: Log
  readonly faults: Faults
  readonly counts: Counts
  readonly subscriptions: Set<RunningSubscription>
  /** Null where everybody may do everything. */
  readonly users: Readonly<Record<string, string>> | null
  /** Cuts the connection that a call came by. */
  cut(peer: string): void
  /** At once for 0. */
  later(milliseconds: number, action: () => void): void
}

export interface Caller {
  readonly metadata: Metadata
  getPeer(): string
  /** Of a call that has more than one answer. */
  end?(): void
}

/** What this call meets besides the rules: a fault that acts on it, and the refusal where that, or who calls, makes one. */
export function meet(
  node: ServerNode,
  caller: Caller,
  call: Call,
): { readonly fault?: Fault; readonly refusal: Refusal | null } {
  const denied = refusalOf(node, caller.metadata)
  if (denied !== null) return { refusal: denied }
  const writes = call === 'append' || call === 'delete'
  const fault = node.faults.take(call, writes || caller.metadata.get('requires-leader')[0] === 'true')
  return fault === undefined ? { refusal: null } : { fault, refusal: refusalBy(fault) }
}

/** As the real server: who says nothing is nobody, and may not; who says wrong is not let in at all. */
function refusalOf({ users }: ServerNode, metadata: Metadata): Refusal | null {
  if (users === null) return null
  const [authorization] = metadata.get('authorization')
  if (authorization === undefined) return { reason: 'access-denied' }
  const [scheme, credentials] = String(authorization).split(' ')
  const [name, ...password] = Buffer.from(credentials ?? '', 'base64')
    .toString()
    .split(':')
  const right = name !== undefined && Object.hasOwn(users, name) && users[name] === password.join(':')
  return scheme === 'Basic' && right ? null : { reason: 'unauthenticated' }
}
