import type { Instant } from './instant.ts'
import type { Evidence, SubscriberFact } from './interpret.ts'

export type Status = 'subscribed' | 'unsubscribed' | 'unknown'

/** What the facts say of a subscriber at a moment. `since` and `evidence` are of the fact that began this run of `status`. */
export interface Consent {
  readonly status: Status
  readonly since: Instant | null
  readonly evidence: Evidence | null
  /** A message that reads like a revocation came, and no opt-in or opt-out after it. */
  readonly possibleOptOut: boolean
}

export const NO_CONSENT: Consent = { status: 'unknown', since: null, evidence: null, possibleOptOut: false }

/**
 * A fact as far as consent is concerned: all that the fold needs of it, and small enough to be kept in a table.
 *
 * - `in`, `out`: a subscriber's or a person's own word
 * - `doubted-in`: an opt-in at a time that is not to be believed
 * - `eligible`: Postscript would send to them, which is not consent
 * - `question`: a message that reads like a revocation
 */
export interface ConsentFact {
  readonly says: 'in' | 'doubted-in' | 'eligible' | 'question' | 'out'
  readonly evidence: Evidence
}

/** What a fact says of consent; null where it says nothing. */
export function consentFact(fact: SubscriberFact): ConsentFact | null {
  const says = sayingOf(fact)
  return says === null ? null : { says, evidence: fact.evidence }
}

function sayingOf(fact: SubscriberFact): ConsentFact['says'] | null {
  const optIn = fact.timeDoubt ? 'doubted-in' : 'in'
  switch (fact.kind) {
    case 'opt_in':
      return optIn
    case 'opt_out':
      return 'out'
    case 'message':
      if (fact.message.isOptOut) return 'out'
      return fact.message.possibleOptOut ? 'question' : null
    case 'entry':
      if (fact.consent === null) return null
      return fact.consent === 'opt_in' ? optIn : 'out'
    case 'observation':
      if (fact.canSend === null) return null
      return fact.canSend ? 'eligible' : 'out'
    case 'email':
    case 'other':
      return null
    default:
      return fact satisfies never
  }
}

const RANK = { in: 0, 'doubted-in': 0, eligible: 0, question: 1, out: 2 } as const

/**
 * The order in which facts count, as text that sorts so: by `occurredAt`; at the same instant opt-outs last, and what
 * reads like one before them; then by event id. Arrival has no part in it.
 */
export function consentOrder(fact: ConsentFact): string {
  return `${fact.evidence.occurredAt} ${RANK[fact.says]} ${fact.evidence.eventId}`
}

/** The status after a fact that says this, where it was `status` before. */
export function nextStatus(status: Status, says: ConsentFact['says']): Status {
  switch (says) {
    case 'in':
      return 'subscribed'
    case 'out':
      return 'unsubscribed'
    // When it was said is not known: perhaps before the opt-out, so it cannot undo one, nor answer a question.
    case 'doubted-in':
    case 'eligible':
      return status === 'unknown' ? 'subscribed' : status
    case 'question':
      return status
    default:
      return says satisfies never
  }
}

/** The consent after `fact`, which comes later than all that led to `consent`, by `consentOrder`. */
export function nextConsent(consent: Consent, { says, evidence }: ConsentFact): Consent {
  const status = nextStatus(consent.status, says)
  const isAnswer = says === 'in' || says === 'out'
  const possibleOptOut = says === 'question' || (consent.possibleOptOut && !isAnswer)
  if (status !== consent.status) return { status, since: evidence.occurredAt, evidence, possibleOptOut }
  return possibleOptOut === consent.possibleOptOut ? consent : { ...consent, possibleOptOut }
}

/** Folds facts, in whatever order they come. */
export function foldConsent(facts: Iterable<ConsentFact>): Consent {
  return inOrder(facts).reduce(nextConsent, NO_CONSENT)
}

/** Of when, and by whose knowledge; null is no bound. Both bounds are inclusive. */
export interface TwoTimes {
  /** As of this moment: facts that occurred by then. */
  readonly at: Instant | null
  /** As known at this moment: facts that had been recorded by then. */
  readonly knownAt: Instant | null
}

/** The consent that a subscriber's facts give, of one moment, as known at another. */
export function consentAt(facts: Iterable<SubscriberFact>, times: TwoTimes): Consent {
  return foldConsent(within(facts, times))
}

function within(facts: Iterable<SubscriberFact>, { at, knownAt }: TwoTimes): ConsentFact[] {
  const found: ConsentFact[] = []
  for (const fact of facts) {
    if ((at !== null && fact.occurredAt > at) || (knownAt !== null && fact.recordedAt > knownAt)) continue
    const said = consentFact(fact)
    if (said !== null) found.push(said)
  }
  return found
}

function inOrder(facts: Iterable<ConsentFact>): ConsentFact[] {
  return Array.from(facts, (fact) => ({ fact, order: consentOrder(fact) }))
    .sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
    .map(({ fact }) => fact)
}

/** One decisive fact, and what it did. */
export interface HistoryEntry {
  readonly kind: 'opt_in' | 'opt_out' | 'observation' | 'entry'
  readonly occurredAt: Instant
  readonly recordedAt: Instant
  /** The status that this fact changed consent to; `none` where it changed nothing. */
  readonly effect: 'subscribed' | 'unsubscribed' | 'none'
  /** A decisive fact that occurred later was recorded before this one. */
  readonly late: boolean
  readonly timeDoubt: boolean
  readonly messageId: string | null
  readonly evidence: Evidence
}

/** All decisive facts that had been recorded by `knownAt`, in the order in which they count. */
export function consentHistory(facts: Iterable<SubscriberFact>, knownAt: Instant | null): HistoryEntry[] {
  const byEvent = new Map<string, SubscriberFact>()
  for (const fact of facts) byEvent.set(fact.evidence.eventId, fact)
  const decisive = inOrder(within(byEvent.values(), { at: null, knownAt }))
  const late = recordedAfterLater(decisive.filter(({ says }) => says !== 'question'))

  const history: HistoryEntry[] = []
  let consent = NO_CONSENT
  for (const said of decisive) {
    const before = consent.status
    consent = nextConsent(consent, said)
    const fact = byEvent.get(said.evidence.eventId)
    if (said.says === 'question' || fact === undefined) continue
    history.push({
      kind: kindOf(fact),
      occurredAt: fact.occurredAt,
      recordedAt: fact.recordedAt,
      effect: consent.status === before || consent.status === 'unknown' ? 'none' : consent.status,
      late: late.has(said),
      timeDoubt: fact.timeDoubt,
      messageId: fact.kind === 'message' ? fact.message.id : null,
      evidence: fact.evidence,
    })
  }
  return history
}

function kindOf(fact: SubscriberFact): HistoryEntry['kind'] {
  switch (fact.kind) {
    case 'opt_in':
    case 'observation':
    case 'entry':
      return fact.kind
    default:
      return 'opt_out'
  }
}

// Walked from the latest back: a fact is late where one that occurred after it has the lower revision.
function recordedAfterLater(ordered: readonly ConsentFact[]): Set<ConsentFact> {
  const late = new Set<ConsentFact>()
  let lowest = Number.POSITIVE_INFINITY
  let lowestAtInstant = Number.POSITIVE_INFINITY
  let instant: Instant | null = null
  for (const fact of ordered.toReversed()) {
    const { occurredAt, revision } = fact.evidence
    if (occurredAt !== instant) {
      lowest = Math.min(lowest, lowestAtInstant)
      lowestAtInstant = Number.POSITIVE_INFINITY
      instant = occurredAt
    }
    if (lowest < revision) late.add(fact)
    lowestAtInstant = Math.min(lowestAtInstant, revision)
  }
  return late
}
