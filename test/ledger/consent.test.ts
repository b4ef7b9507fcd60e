import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Consent,
  consentAt,
  consentFact,
  consentHistory,
  consentOrder,
  foldConsent,
  NO_CONSENT,
  nextConsent,
  type Status,
} from '../../src/ledger/consent.ts'
import type { StoredEvent } from '../../src/ledger/event.ts'
import type { Instant } from '../../src/ledger/instant.ts'
import { interpretSubscriber, type SubscriberFact } from '../../src/ledger/interpret.ts'
import {
  emailCollected,
  instant,
  Log,
  message,
  optIn,
  optOut,
  subscriberObject,
  type Telling,
} from './deliveries.ts'
import {
  arrival,
  believableStory,
  doubtfulStory,
  MOMENTS,
  recorded,
  shuffled,
  telling,
  twoOrders,
} from './stories.ts'

const NOON = '2026-03-01T12:00:00.000000Z'
const BOUNDLESS = { at: null, knownAt: null }

const hour = (hours: number) => instant(`2026-03-01T${String(hours).padStart(2, '0')}:00:00`)
const factsOf = (events: readonly StoredEvent[]): SubscriberFact[] => events.map(interpretSubscriber)

/** Facts of what arrives in this order at noon, all of it of the morning. */
function facts(...told: Telling[]): SubscriberFact[] {
  const log = new Log()
  return told.map((one) => interpretSubscriber(log.tell(one, instant(NOON))))
}

const now = (...told: Telling[]): Consent => consentAt(facts(...told), BOUNDLESS)
const status = (...told: Telling[]): Status => now(...told).status

// What may be told, of an hour of that morning.
const joins = (hours: number): Telling => ({ source: 'webhook', body: optIn(hour(hours)) })
const leaves = (hours: number): Telling => ({ source: 'webhook', body: optOut(hour(hours)) })
const texts = (hours: number, body: string, is_opt_out = false): Telling => ({
  source: 'webhook',
  body: message(hour(hours), { id: `im_${hours}`, body, is_opt_out }),
})
const isSeen = (hours: number, canSend: boolean | null): Telling => ({
  source: 'api',
  subscriber: subscriberObject(canSend),
  observedAt: hour(hours),
})
const isEntered = (hours: number, consent: string): Telling => ({
  source: 'manual',
  consent,
  occurredAt: hour(hours),
  key: `at ${hours}`,
})
/** An opt-in of which nobody knows when it was. */
const joinsSomeTime: Telling = { source: 'webhook', body: optIn('some time') }

describe('status', () => {
  test('nothing is known of somebody of whom nothing was said', () => {
    expect(consentAt([], BOUNDLESS)).toEqual(NO_CONSENT)
    expect(NO_CONSENT).toEqual({ status: 'unknown', since: null, evidence: null, possibleOptOut: false })
  })

  test.each<[Status, string, Telling[]]>([
    ['subscribed', 'an opt-in', [joins(9)]],
    ['unsubscribed', 'an opt-out', [leaves(9)]],
    ['unsubscribed', 'an opt-out after an opt-in', [joins(8), leaves(9)]],
    ['subscribed', 'an opt-in after an opt-out', [leaves(8), joins(9)]],
    ['unsubscribed', 'a message that opts out', [joins(8), texts(9, 'stop', true)]],
    ['unsubscribed', 'an entered opt-out', [joins(8), isEntered(9, 'opt_out')]],
    ['subscribed', 'an entered opt-in', [leaves(8), isEntered(9, 'opt_in')]],
    ['unsubscribed', 'an observed false', [joins(8), isSeen(9, false)]],
    ['subscribed', 'an observed true, of one who was unknown', [isSeen(9, true)]],
    ['unsubscribed', 'an observed true after an opt-out', [leaves(8), isSeen(9, true)]],
    ['unsubscribed', 'an observed true after an observed false', [isSeen(8, false), isSeen(9, true)]],
    ['subscribed', 'an opt-in after an observed false', [isSeen(8, false), joins(9)]],
    ['unsubscribed', 'a doubted opt-in after an opt-out', [leaves(8), joinsSomeTime]],
    ['subscribed', 'a doubted opt-in of one who was unknown', [joinsSomeTime]],
    ['unknown', 'an observation that does not say', [isSeen(9, null)]],
    ['unknown', 'an entry that cannot be read', [isEntered(9, 'perhaps')]],
    ['unknown', 'a message', [texts(9, 'hi')]],
    ['unknown', 'a message that only reads like a revocation', [texts(9, 'stop')]],
    ['subscribed', 'a message that only reads like one, after an opt-in', [joins(8), texts(9, 'stop')]],
    ['unknown', 'an e-mail address', [{ source: 'webhook', body: emailCollected(hour(9)) }]],
  ])('%s: %s', (expected, _name, told) => {
    expect(status(...told)).toBe(expected)
    expect(status(...told.toReversed())).toBe(expected)
  })

  test('an entered opt-in at a doubted time does not undo an opt-out either', () => {
    const entered: Telling = {
      source: 'manual',
      consent: 'opt_in',
      occurredAt: '2099-01-01T00:00:00',
      key: 'k',
    }
    expect(status(leaves(8), entered)).toBe('unsubscribed')
  })

  test('an opt-out at a doubted time counts from when it was received', () => {
    const out: Telling = { source: 'webhook', body: optOut('some time') }
    expect(now(joins(9), out)).toMatchObject({ status: 'unsubscribed', since: NOON })
  })

  test.each([
    ['opt-in', joins(9)],
    ['observed true', isSeen(9, true)],
    ['entered opt-in', isEntered(9, 'opt_in')],
  ])('at the same instant the opt-out is last, whatever the event ids: %s', (_name, other) => {
    for (const out of [leaves(9), texts(9, 'stop', true), isSeen(9, false), isEntered(9, 'opt_out')])
      if (out.source !== 'manual' || other.source !== 'manual') {
        expect(status(other, out)).toBe('unsubscribed')
        expect(status(out, other)).toBe('unsubscribed')
      }
  })

  test('an opt-in retried for 50 minutes does not undo the opt-out that followed it', () => {
    const log = new Log()
    const out = log.receive(optOut(hour(10)), instant('2026-03-01T10:00:01'))
    const late = log.receive(optIn(hour(9)), instant('2026-03-01T10:50:00'))
    expect(consentAt(factsOf([out, late]), BOUNDLESS)).toMatchObject({
      status: 'unsubscribed',
      since: hour(10),
    })
  })
})

describe('since and evidence', () => {
  test('are of the fact that began the run, not of those that repeat it', () => {
    const told = facts(joins(7), joins(8), isSeen(9, true), isEntered(10, 'opt_in'))
    const { since, evidence } = consentAt(told, BOUNDLESS)
    expect(since).toBe(hour(7))
    expect(evidence).toEqual(told[0]?.evidence)
  })

  test('begin anew after an interruption', () => {
    expect(now(joins(7), leaves(8), joins(9))).toMatchObject({ since: hour(9) })
    expect(now(joins(7), joins(9), leaves(8), leaves(10), leaves(11))).toMatchObject({ since: hour(10) })
  })

  test('of one who was only observed say so', () => {
    expect(now(isSeen(9, true)).evidence).toMatchObject({ type: 'ledger.consent_observed', source: 'api' })
    expect(now(isSeen(8, true), joins(9)).evidence).toMatchObject({ type: 'ledger.consent_observed' })
  })

  test('are the same facts however the opt-ins arrived', () => {
    expect(now(joins(9), joins(7)).since).toBe(hour(7))
  })

  test('of the same instant are of the lower event id', () => {
    const at = hour(9)
    const [a, b]: Telling[] = [optOut(at, { n: 1 }), optOut(at, { n: 2 })].map((body) => ({
      source: 'webhook',
      body,
    }))
    if (a === undefined || b === undefined) throw new TypeError('two')
    const ids = facts(a, b).map(({ evidence }) => evidence.eventId)
    expect(now(a, b).evidence?.eventId).toBe(ids.toSorted()[0])
    expect(now(b, a).evidence?.eventId).toBe(ids.toSorted()[0])
  })
})

describe('a possible opt-out', () => {
  const possible = (...told: Telling[]) => now(...told).possibleOptOut

  test('is marked, and changes no status', () => {
    expect(now(joins(8), texts(9, 'please stop'))).toMatchObject({
      status: 'subscribed',
      possibleOptOut: true,
    })
    expect(now(texts(9, 'please stop'))).toMatchObject({ status: 'unknown', possibleOptOut: true })
  })

  test.each([
    ['an opt-in', joins(10)],
    ['an opt-out', leaves(10)],
    ['an entered opt-in', isEntered(10, 'opt_in')],
    ['an entered opt-out', isEntered(10, 'opt_out')],
    ['an observed false', isSeen(10, false)],
    ['a message that opts out', texts(10, 'stop', true)],
  ])('ends with %s that is later', (_name, later) => {
    expect(possible(joins(8), texts(9, 'please stop'), later)).toBe(false)
    expect(possible(leaves(8), texts(9, 'please stop'), later)).toBe(false)
    expect(possible(texts(11, 'please stop'), later)).toBe(true)
  })

  test.each([
    ['an observed true', isSeen(10, true)],
    ['an opt-in of an unknown time', joinsSomeTime],
    ['another message', texts(10, 'hi')],
  ])('does not end with %s', (_name, later) => {
    expect(possible(texts(9, 'please stop'), later)).toBe(true)
    expect(possible(joins(8), texts(9, 'please stop'), later)).toBe(true)
  })

  test('is answered by an opt-out of the same instant, and not by an opt-in', () => {
    expect(possible(texts(9, 'please stop'), leaves(9))).toBe(false)
    expect(possible(texts(9, 'please stop'), joins(9))).toBe(true)
  })
})

describe('as of a moment', () => {
  const told = [joins(8), leaves(9), joins(10)]
  test.each<[Status, Instant]>([
    ['unknown', instant('2026-03-01T07:59:59.999999')],
    ['subscribed', hour(8)],
    ['subscribed', instant('2026-03-01T08:59:59.999999')],
    ['unsubscribed', hour(9)],
    ['subscribed', hour(10)],
    ['subscribed', hour(23)],
  ])('%s at %s', (expected, at) => {
    expect(consentAt(facts(...told), { at, knownAt: null }).status).toBe(expected)
  })

  test('what we believed then about that time: without what came later', () => {
    const log = new Log()
    log.receive(optIn(hour(8)), hour(9))
    log.receive(optOut(hour(8), { n: 1 }), hour(11))
    const known = (at: Instant | null, knownAt: Instant | null) =>
      consentAt(factsOf(log.events), { at, knownAt }).status
    expect(known(null, instant('2026-03-01T08:59:59.999999'))).toBe('unknown')
    expect(known(null, hour(9))).toBe('subscribed')
    expect(known(hour(8), hour(10))).toBe('subscribed')
    expect(known(hour(8), hour(11))).toBe('unsubscribed')
    expect(known(hour(7), hour(11))).toBe('unknown')
  })
})

/** What must not hang on arrival: revision and time of recording do. */
function said({ status, since, evidence, possibleOptOut }: Consent) {
  return { status, since, eventId: evidence?.eventId, type: evidence?.type, possibleOptOut }
}

const moment = fc.constantFrom<(Instant | null)[]>(...MOMENTS, instant('2026-03-01T09:00:00'), null)

describe('for every story', () => {
  test('every order of arrival, with any repetition, gives the same consent at every moment', () => {
    fc.assert(
      fc.property(twoOrders(), ([one, other]) => {
        const [first, second] = [factsOf(recorded(one)), factsOf(recorded(other))]
        for (const at of [...MOMENTS, null])
          expect(said(consentAt(second, { at, knownAt: null }))).toEqual(
            said(consentAt(first, { at, knownAt: null })),
          )
      }),
      { numRuns: 500 },
    )
  })

  test('the order in which facts are handed over has no part in it, doubted ones included', () => {
    const handed = doubtfulStory.chain((story) => {
      const stream = factsOf(recorded(story))
      return fc.tuple(fc.constant(stream), shuffled(stream))
    })
    fc.assert(
      fc.property(handed, moment, ([stream, others], at) => {
        expect(consentAt(others, { at, knownAt: null })).toEqual(consentAt(stream, { at, knownAt: null }))
        expect(consentHistory(others, null)).toEqual(consentHistory(stream, null))
      }),
    )
  })

  test('the latest opt-in or opt-out by then says the status, where all times are sure and nothing was observed', () => {
    fc.assert(
      fc.property(believableStory, moment, (story, at) => {
        const stream = factsOf(recorded(story.filter(({ source }) => source !== 'api')))
        const decisive = stream.flatMap((fact) => {
          const says = consentFact(fact)?.says
          if (at !== null && fact.occurredAt > at) return []
          return says === 'in' || says === 'out' ? [{ says, when: fact.occurredAt }] : []
        })
        const last = decisive
          .map(({ when }) => when)
          .sort()
          .at(-1)
        const words = decisive.filter(({ when }) => when === last).map(({ says }) => says)
        const expected = words.includes('out')
          ? 'unsubscribed'
          : words.includes('in')
            ? 'subscribed'
            : 'unknown'
        expect(consentAt(stream, { at, knownAt: null }).status).toBe(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('neither what was observed nor an opt-in of a doubted time undoes an opt-out', () => {
    const weak = telling(fc.constantFrom('some time', '2099-01-01T00:00:00')).filter(
      (told) =>
        (told.source === 'webhook' && told.body['event'] === 'shop.subscriber.opt_in') ||
        (told.source === 'manual' && told.consent === 'opt_in') ||
        (told.source === 'api' && consentFact(factsOf(recorded([told]))[0] ?? never())?.says === 'eligible'),
    )
    fc.assert(
      fc.property(fc.array(weak, { maxLength: 6 }), fc.array(weak, { maxLength: 6 }), (before, after) => {
        const story = [...before, { source: 'webhook' as const, body: optOut(MOMENTS[0] ?? '') }, ...after]
        expect(consentAt(factsOf(recorded(story)), BOUNDLESS).status).toBe('unsubscribed')
      }),
    )
  })

  test('as known at a moment is the fold of what had been recorded by then: a beginning of the stream', () => {
    fc.assert(
      fc.property(doubtfulStory, fc.nat({ max: 8 }), moment, (story, index, at) => {
        const events = recorded(story)
        const knownAt = arrival(index)
        const length = events.findIndex(({ metadata }) => metadata.recordedAt > knownAt)
        const beginning = factsOf(length === -1 ? events : events.slice(0, length))
        expect(consentAt(factsOf(events), { at, knownAt })).toEqual(
          consentAt(beginning, { at, knownAt: null }),
        )
        expect(consentHistory(factsOf(events), knownAt)).toEqual(consentHistory(beginning, null))
      }),
    )
  })

  test('as of a moment is the fold of what had occurred by then', () => {
    fc.assert(
      fc.property(doubtfulStory, moment, (story, at) => {
        const stream = factsOf(recorded(story))
        const occurred = stream.filter((fact) => at === null || fact.occurredAt <= at)
        expect(consentAt(stream, { at, knownAt: null })).toEqual(consentAt(occurred, BOUNDLESS))
      }),
    )
  })

  test('facts taken one by one, in the order in which they count, give what folding them all gives', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const all = factsOf(recorded(story)).flatMap((fact) => consentFact(fact) ?? [])
        const ordered = all.toSorted((a, b) => (consentOrder(a) < consentOrder(b) ? -1 : 1))
        let consent = NO_CONSENT
        ordered.forEach((fact, index) => {
          consent = nextConsent(consent, fact)
          expect(consent).toEqual(foldConsent(ordered.slice(0, index + 1).toReversed()))
        })
        expect(consent).toEqual(foldConsent(all))
      }),
    )
  })

  test('a fact handed over twice counts once', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const stream = factsOf(recorded(story))
        expect(consentAt([...stream, ...stream], BOUNDLESS)).toEqual(consentAt(stream, BOUNDLESS))
      }),
    )
  })
})

describe('history', () => {
  test('tells each decisive fact, oldest first, and what it changed', () => {
    const told = facts(
      texts(11, 'stop', true),
      joins(8),
      isSeen(10, true),
      texts(9, 'hi'),
      isEntered(7, 'opt_in'),
      joinsSomeTime,
    )
    expect(consentHistory(told, null).map(({ evidence: _, recordedAt: __, ...entry }) => entry)).toEqual([
      entry('entry', hour(7), 'subscribed', { late: true }),
      entry('opt_in', hour(8), 'none', { late: true }),
      entry('observation', hour(10), 'none', { late: true }),
      entry('opt_out', hour(11), 'unsubscribed', { messageId: 'im_11' }),
      entry('opt_in', NOON, 'none', { timeDoubt: true }),
    ])
  })

  test('an opt-out that arrived after the opt-in that followed it is late', () => {
    const late = (...told: Telling[]) => consentHistory(facts(...told), null).map((entry) => entry.late)
    expect(late(joins(8), leaves(9))).toEqual([false, false])
    expect(late(leaves(9), joins(8))).toEqual([true, false])
    expect(late(leaves(9), joins(9))).toEqual([false, false])
    expect(late(texts(10, 'please stop'), joins(9))).toEqual([false])
  })

  test('its effects, one after the other, lead to the status that is', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const stream = factsOf(recorded(story))
        const consent = consentAt(stream, BOUNDLESS)
        const effects = consentHistory(stream, null).filter(({ effect }) => effect !== 'none')
        expect(effects.at(-1)?.effect ?? 'unknown').toBe(consent.status)
        expect(effects.at(-1)?.evidence ?? null).toEqual(consent.evidence)
        expect(effects.at(-1)?.occurredAt ?? null).toBe(consent.since)
        effects.forEach(({ effect }, index) => {
          expect(effect).not.toBe(effects[index - 1]?.effect)
        })
      }),
    )
  })

  test('a fact is late where one that occurred later stands before it in the stream', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const history = consentHistory(factsOf(recorded(story)), null)
        for (const entry of history)
          expect(entry.late).toBe(
            history.some(
              (other) =>
                other.occurredAt > entry.occurredAt && other.evidence.revision < entry.evidence.revision,
            ),
          )
      }),
      { numRuns: 500 },
    )
  })

  test('has one entry for each decisive fact, and none for any other', () => {
    fc.assert(
      fc.property(doubtfulStory, (story) => {
        const stream = factsOf(recorded(story))
        const decisive = stream.filter((fact) => {
          const says = consentFact(fact)?.says ?? 'question'
          return says !== 'question'
        })
        const ids = consentHistory(stream, null).map(({ evidence }) => evidence.eventId)
        expect(ids.toSorted()).toEqual(decisive.map(({ evidence }) => evidence.eventId).toSorted())
      }),
    )
  })
})

function entry(kind: string, occurredAt: string, effect: string, more: object = {}) {
  return { kind, occurredAt, effect, late: false, timeDoubt: false, messageId: null, ...more }
}

function never(): never {
  throw new TypeError('a story of one has one event')
}
