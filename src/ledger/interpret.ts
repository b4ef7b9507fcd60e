/** What a stored event says. The only place, with `payload.ts`, that knows the shapes of payloads. */
import { EventType, parseStreamName, type Source, type StoredEvent } from './event.ts'
import { type Instant, microsecondsBetween, parseInstant } from './instant.ts'
import { canonicalJson, isJsonObject, type Json, type JsonObject } from './json.ts'
import { type Contact, contactIn, eventDataOf, textOf } from './payload.ts'
import { type UnplacedReason, unplacedReason } from './placement.ts'

/** What a person needs to find the event that a statement rests on. */
export interface Evidence {
  readonly eventId: string
  readonly type: string
  readonly revision: number
  readonly occurredAt: Instant
  readonly recordedAt: Instant
  readonly source: Source
}

interface FactBase {
  readonly evidence: Evidence
  readonly occurredAt: Instant
  readonly recordedAt: Instant
  /** `occurredAt` is not the sender's word, which was missing or not to be believed, but the time of receipt. */
  readonly timeDoubt: boolean
}

/** Of a subscriber: who they are is said by the stream. */
interface SubscriberFactBase extends FactBase {
  readonly shopId: string
  readonly subscriberId: string
  readonly contact: Contact
}

export interface Message {
  /** Postscript's `im_` id; null where the message came without one. */
  readonly id: string | null
  readonly from: string | null
  readonly body: string | null
  readonly isOptOut: boolean
  /** Reads like a revocation that Postscript did not take for one: a person must look. */
  readonly possibleOptOut: boolean
}

export interface MessageFact extends SubscriberFactBase {
  readonly kind: 'message'
  readonly message: Message
  /** Canonical JSON of the message's data: two tellings of one message agree when these are equal. */
  readonly told: string
}

export type SubscriberFact =
  | (SubscriberFactBase & { readonly kind: 'opt_in' | 'opt_out' | 'email' | 'other' })
  | MessageFact
  /** What Postscript's API answered: `canSend` is null where the answer does not say. */
  | (SubscriberFactBase & { readonly kind: 'observation'; readonly canSend: boolean | null })
  /** A person's word: `consent` is null where the entry cannot be read. */
  | (SubscriberFactBase & { readonly kind: 'entry'; readonly consent: 'opt_in' | 'opt_out' | null })

export type Fact =
  | SubscriberFact
  | (FactBase & { readonly kind: 'unplaced'; readonly shopId: string; readonly reason: UnplacedReason })
  /** An unplaced event has found its stream. */
  | (FactBase & {
      readonly kind: 'placed'
      readonly shopId: string
      readonly eventId: string
      readonly placedIn: string
    })
  /** Of a shop, and of nobody in it: a test, an e-mail address without a subscriber. */
  | (FactBase & { readonly kind: 'shop'; readonly shopId: string })

/** An event in a stream whose name the ledger does not write: somebody else's hand was in the log. */
export class ForeignEvent extends Error {
  override name = 'ForeignEvent'
  readonly code = 'foreign-event'
}

/** Reads one stored event. Total over what the ledger stores; throws `ForeignEvent` for a stream that is not its own. */
export function interpret(event: StoredEvent): Fact {
  const name = parseStreamName(event.stream)
  if (name === null) throw new ForeignEvent(`not a stream of the ledger, at revision ${event.revision}`)
  const base = { ...timeOf(event), shopId: name.shopId }
  switch (name.kind) {
    case 'subscriber':
      return subscriberFact(event, { ...base, subscriberId: name.subscriberId, contact: contactOf(event) })
    case 'shop':
      return { kind: 'shop', ...base }
    case 'unplaced':
      return unplacedFact(event, base)
  }
}

/** Of a stream that is known to be a subscriber's. */
export function interpretSubscriber(event: StoredEvent): SubscriberFact {
  const fact = interpret(event)
  if (fact.kind === 'unplaced' || fact.kind === 'placed' || fact.kind === 'shop')
    throw new ForeignEvent(`not a subscriber's stream, at revision ${event.revision}`)
  return fact
}

function subscriberFact(event: StoredEvent, base: SubscriberFactBase): SubscriberFact {
  switch (event.type) {
    case EventType.optIn:
      return { kind: 'opt_in', ...base }
    case EventType.optOut:
      return { kind: 'opt_out', ...base }
    case EventType.emailCollected:
      return { kind: 'email', ...base }
    case EventType.incomingMessage: {
      const data = eventDataOf(event.data)
      return { kind: 'message', ...base, message: messageOf(data), told: canonicalJson(data) }
    }
    case EventType.consentObserved:
      return { kind: 'observation', ...base, canSend: promotionalCanSend(event.data) }
    case EventType.consentEntered: {
      const { consent } = event.data
      return {
        kind: 'entry',
        ...base,
        consent: consent === 'opt_in' || consent === 'opt_out' ? consent : null,
      }
    }
    default:
      return { kind: 'other', ...base }
  }
}

function unplacedFact(event: StoredEvent, base: FactBase & { shopId: string }): Fact {
  const { eventId, stream } = event.data
  if (event.type !== EventType.placed) return { kind: 'unplaced', ...base, reason: unplacedReason(event) }
  return { kind: 'placed', ...base, eventId: textOf(eventId) ?? '', placedIn: textOf(stream) ?? '' }
}

function contactOf(event: StoredEvent): Contact {
  const { subscriber } = event.data
  if (event.type === EventType.consentObserved) return contactIn(isJsonObject(subscriber) ? subscriber : {})
  return contactIn(eventDataOf(event.data))
}

function messageOf(data: JsonObject): Message {
  const body = textOf(data['body'])
  const isOptOut = data['is_opt_out'] === true
  return {
    id: textOf(data['id']),
    from: textOf(data['from_number']),
    body,
    isOptOut,
    possibleOptOut: !isOptOut && body !== null && readsLikeRevocation(body),
  }
}

function promotionalCanSend(data: JsonObject): boolean | null {
  const canSend = at(data, 'subscriber', 'subscriptions', 'promotional', 'can_send')
  return typeof canSend === 'boolean' ? canSend : null
}

function at(value: Json, ...path: string[]): Json {
  let found = value
  for (const key of path) found = isJsonObject(found) ? (found[key] ?? null) : null
  return found
}

/**
 * The words that 47 CFR 64.1200(a)(10) names as revoking consent, anywhere in the message; "end" only where it is the
 * whole message, because it is in too many others. Too many marks cost a look, one too few costs a lawsuit.
 */
export function readsLikeRevocation(body: string): boolean {
  const text = body.normalize('NFKC')
  return (
    /(?<![\p{L}\p{N}])(?:stop|quit|revoke|opt[\s_\p{Pd}]*out|cancel|unsubscribe)(?![\p{L}\p{N}])/iu.test(
      text,
    ) || /^\P{L}*end\P{L}*$/iu.test(text)
  )
}

const EARLIEST = '2000-01-01T00:00:00.000000Z'
const MOST_AHEAD = 5 * 60 * 1_000_000

function timeOf(event: StoredEvent): FactBase {
  const { id, receivedAt, recordedAt, source } = event.metadata
  const told = toldTime(event)
  const instant = typeof told === 'string' ? parseInstant(told) : null
  const believable =
    instant !== null && instant >= EARLIEST && microsecondsBetween(receivedAt, instant) <= MOST_AHEAD
  const occurredAt = believable ? instant : receivedAt
  const evidence = { eventId: id, type: event.type, revision: event.revision, occurredAt, recordedAt, source }
  return { evidence, occurredAt, recordedAt, timeDoubt: !believable }
}

/** When it happened, by the sender's word. */
function toldTime(event: StoredEvent): Json {
  switch (event.type) {
    case EventType.incomingMessage:
      return eventDataOf(event.data)['created_at'] ?? event.data['event_time'] ?? null
    case EventType.consentObserved:
      return event.data['observedAt'] ?? null
    case EventType.consentEntered:
      return event.data['occurredAt'] ?? null
    case EventType.placed:
    case EventType.unreadable:
      return event.metadata.receivedAt
    default:
      return event.data['event_time'] ?? null
  }
}
