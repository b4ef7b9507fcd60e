/**
 * A test double of EventStoreDB; the real server has the last word. Here is how it can be made to misbehave. A fault
 * stands until all are cleared, or until it has acted so many times as it was given.
 */
import type { Leader, Refusal } from './refusal.ts'

export type Fault =
  /** The append is stored, and the connection cut without an answer. */
  | { readonly name: 'store-then-drop' }
  | { readonly name: 'drop-before-store' }
  /** The append is stored and never answered; the connection lives. */
  | { readonly name: 'store-never-answer' }
  | { readonly name: 'never-answer' }
  /** The batch that the append is in is ended with OK; the append is neither stored nor answered. */
  | { readonly name: 'end-batch' }
  /** The server's own time-out, which leaves open whether the append was stored. */
  | { readonly name: 'timeout-error'; readonly stored?: boolean }
  /** Another node leads; without `leader`, the server does not know which. Of reads, those that require a leader. */
  | { readonly name: 'not-leader'; readonly leader?: Leader }
  /** gRPC's UNAVAILABLE to every call, as from a server that is too busy or a proxy before it. */
  | { readonly name: 'unavailable' }
  /** The server is starting or electing: UNAVAILABLE to a call of its own, an unknown error to one append of a batch. */
  | { readonly name: 'not-ready' }
  | { readonly name: 'access-denied' }
  | { readonly name: 'unauthenticated' }
  /** Every answer, and every event of a subscription, comes so much later. */
  | { readonly name: 'slow'; readonly milliseconds: number }
  /** Reads are never answered. Subscriptions are. */
  | { readonly name: 'silent-reads' }
  /** Running and new subscriptions deliver nothing more, though the connection lives. */
  | { readonly name: 'silent-subscription' }
  /** Running subscriptions end, at once: with OK. */
  | { readonly name: 'end-subscription' }
  /** Running subscriptions end, at once: as the server ends those that do not take its live events fast enough. */
  | { readonly name: 'consumer-too-slow' }
  /** Running subscriptions end, at once: as they do some seconds after a server is asked to stop. */
  | { readonly name: 'shutdown-subscription' }
  /** What the client asks first of a new connection, and without a deadline, is never answered. */
  | { readonly name: 'silent-features' }

export type Call = 'append' | 'delete' | 'read' | 'subscribe' | 'features'

const ANY_BUT_FEATURES: readonly Call[] = ['append', 'delete', 'read', 'subscribe']

const ACTS_ON: { readonly [name in Fault['name']]: readonly Call[] } = {
  'store-then-drop': ['append'],
  'drop-before-store': ['append'],
  'store-never-answer': ['append'],
  'never-answer': ['append'],
  'end-batch': ['append'],
  'timeout-error': ['append', 'delete'],
  'not-leader': ANY_BUT_FEATURES,
  unavailable: [...ANY_BUT_FEATURES, 'features'],
  'not-ready': ANY_BUT_FEATURES,
  'access-denied': ANY_BUT_FEATURES,
  unauthenticated: ANY_BUT_FEATURES,
  slow: [],
  'silent-reads': ['read'],
  'silent-subscription': ['subscribe'],
  'end-subscription': [],
  'consumer-too-slow': [],
  'shutdown-subscription': [],
  'silent-features': ['features'],
}

interface Standing {
  readonly fault: Fault
  left: number
}

export class Faults {
  #standing: Standing[] = []

  add(fault: Fault, times: number): void {
    this.#standing.push({ fault, left: times })
  }

  clear(): void {
    this.#standing = []
  }

  /** The fault that acts on this call, the oldest one first. */
  take(call: Call, requiresLeader = true): Fault | undefined {
    return this.#take(({ name }) => ACTS_ON[name].includes(call) && (name !== 'not-leader' || requiresLeader))
  }

  /** By how many milliseconds this answer is late. */
  delay(): number {
    const fault = this.#take(({ name }) => name === 'slow')
    return fault?.name === 'slow' ? fault.milliseconds : 0
  }

  #take(acts: (fault: Fault) => boolean): Fault | undefined {
    const standing = this.#standing.find(({ fault }) => acts(fault))
    if (standing === undefined) return undefined
    standing.left -= 1
    if (standing.left <= 0) this.#standing = this.#standing.filter((other) => other !== standing)
    return standing.fault
  }
}

/** What the caller is told, for a fault that is an answer. */
export function refusalBy(fault: Fault | undefined): Refusal | null {
  switch (fault?.name) {
    case 'timeout-error':
      return { reason: 'timeout' }
    case 'not-leader':
      return fault.leader === undefined
        ? { reason: 'no-leader' }
        : { reason: 'not-leader', leader: fault.leader }
    case 'unavailable':
    case 'not-ready':
    case 'access-denied':
    case 'unauthenticated':
      return { reason: fault.name }
    default:
      return null
  }
}
