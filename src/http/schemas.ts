/** What requests and answers look like: what checks them, and what the OpenAPI document is made from. */
import * as z from 'zod'
import { type Instant, parseInstant } from '../ledger/instant.ts'
import { Problem } from './problems.ts'

export const instantParam = z
  .string()
  .transform((text, context): Instant => {
    const instant = parseInstant(text)
    if (instant !== null) return instant
    context.addIssue({
      code: 'custom',
      message: 'must be an ISO 8601 date and time, such as 2026-11-23T10:00:00Z',
    })
    return z.NEVER
  })
  .meta({ description: 'ISO 8601; without a zone it is UTC', examples: ['2026-11-23T10:00:00.123456Z'] })

export const dateParam = z
  .string()
  .refine(
    (text) => /^2\d{3}-\d{2}-\d{2}$/.test(text) && parseInstant(`${text}T00:00:00`) !== null,
    'must be a date from the year 2000 on, such as 2026-11-23',
  )
  .meta({ format: 'date', examples: ['2026-11-23'] })

const limit = z
  .string()
  .transform((text, context): number => {
    const value = /^\d{1,3}$/.test(text) ? Number(text) : 0
    if (value >= 1 && value <= 200) return value
    context.addIssue({ code: 'custom', message: 'must be a whole number from 1 to 200' })
    return z.NEVER
  })
  .default(50)
  .meta({ type: 'integer', minimum: 1, maximum: 200, default: 50 })

export const after = z
  .string()
  .optional()
  .meta({ description: 'Wait until this position has been projected, for at most 5 seconds' })

export const page = {
  limit,
  cursor: z.string().optional().meta({ description: 'The `next` of the page before' }),
  after,
}

export const ShopParams = z.object({ s: z.string().meta({ description: 'The shop id' }) })
export const SubscriberParams = ShopParams.extend({
  id: z.string().meta({ description: 'The subscriber id' }),
})

const instant = z.string().meta({ format: 'date-time', description: 'UTC, six digits of a second' })
const date = z.string().meta({ format: 'date' })
const status = z.enum(['subscribed', 'unsubscribed', 'unknown'])

export const StatusFilter = status

export const Evidence = z
  .object({
    eventId: z.string(),
    type: z.string(),
    revision: z.int(),
    occurredAt: instant,
    recordedAt: instant,
    source: z.enum(['webhook', 'api', 'manual']),
  })
  .meta({ id: 'Evidence', description: 'The stored event that a statement rests on' })

export const Subscriber = z
  .object({
    shopId: z.string(),
    subscriberId: z.string(),
    status,
    since: instant.nullable(),
    evidence: Evidence.nullable(),
    phone: z.string().nullable(),
    email: z.string().nullable(),
    shopifyCustomerId: z.string().nullable(),
    messages: z.object({ received: z.int(), lastAt: instant.nullable() }),
    possibleOptOut: z
      .boolean()
      .meta({ description: 'A message reads like a revocation: a person must look' }),
    firstSeenAt: instant,
    revision: z.int(),
    incomplete: z.boolean().meta({ description: 'Events of theirs wait and are not in this answer' }),
  })
  .meta({ id: 'Subscriber' })

const consent = {
  status,
  since: instant.nullable(),
  evidence: Evidence.nullable(),
  at: instant.nullable().meta({ description: 'As of when; null is no bound' }),
  knownAt: instant.nullable().meta({ description: 'As known when; null is no bound' }),
}

export const SubscriberConsent = z
  .object({
    shopId: z.string(),
    subscriberId: z.string(),
    ...consent,
  })
  .meta({ id: 'SubscriberConsent' })

export const PhoneConsent = z
  .object({
    shopId: z.string(),
    phone: z.string().meta({ description: 'E.164' }),
    subscriberIds: z
      .array(z.string())
      .meta({ description: 'Everyone in this shop who has ever had the number' }),
    ...consent,
  })
  .meta({ id: 'PhoneConsent' })

export const HistoryEntry = z
  .object({
    kind: z.enum(['opt_in', 'opt_out', 'observation', 'entry']),
    occurredAt: instant,
    recordedAt: instant,
    effect: z.enum(['subscribed', 'unsubscribed', 'none']),
    late: z.boolean().meta({ description: 'A decisive fact that occurred later was recorded before' }),
    timeDoubt: z.boolean().meta({ description: 'When it occurred is not known: it is the time of receipt' }),
    messageId: z.string().nullable(),
    evidence: Evidence,
  })
  .meta({ id: 'HistoryEntry' })

export const TimelineKind = z.enum(['opt_in', 'opt_out', 'message', 'email', 'observation', 'entry', 'other'])

export const TimelineMessage = z.object({
  id: z.string().nullable(),
  from: z.string().nullable(),
  body: z.string().nullable(),
  isOptOut: z.boolean(),
  possibleOptOut: z.boolean(),
})

export const TimelineEntry = z
  .object({
    kind: TimelineKind,
    occurredAt: instant,
    recordedAt: instant,
    eventId: z.string(),
    revision: z.int(),
    event: z.string(),
    message: TimelineMessage.nullable(),
    conflict: z.boolean().meta({ description: 'The message was told more than once, and differently' }),
  })
  .meta({ id: 'TimelineEntry' })

const activityCounts = {
  optIns: z.int().meta({ description: 'Changes of consent to subscribed' }),
  optOuts: z.int().meta({ description: 'Changes of consent to unsubscribed' }),
  netChange: z.int().meta({ description: 'optIns - optOuts' }),
  messages: z.int().meta({ description: 'Messages from subscribers, each once' }),
}

export const ShopActivity = z
  .object({
    shopId: z.string(),
    timeZone: z.string().meta({ description: "Whose days these are: the shop's, by the config" }),
    from: date,
    to: date,
    days: z.array(z.object({ date, ...activityCounts })),
    totals: z.object(activityCounts),
  })
  .meta({ id: 'ShopActivity' })

export const StoredEventItem = z
  .object({
    stream: z.string(),
    revision: z.int(),
    position: z.string(),
    type: z.string(),
    data: z.unknown().meta({ description: 'The envelope as it came' }),
    metadata: z.unknown(),
  })
  .meta({ id: 'StoredEvent' })

export const UnplacedItem = StoredEventItem.extend({
  reason: z.string(),
  placedIn: z.string().nullable().meta({ description: 'The stream it was placed in since' }),
}).meta({ id: 'UnplacedEvent' })

export const ProjectionStatus = z
  .object({
    name: z.string(),
    version: z
      .int()
      .meta({ description: 'Of what is read; of what is being built, where nothing can be read' }),
    generation: z.int().nullable().meta({ description: 'Which build is read; null where none can be' }),
    position: z.string().meta({ description: 'Of the last event that is in it' }),
    lag: z
      .object({ events: z.int(), seconds: z.number() })
      .nullable()
      .meta({ description: 'How far it is behind the log; null while the log does not answer' }),
    state: z.enum(['live', 'catching-up', 'rebuilding', 'halted']),
    reason: z.string().nullable().meta({ description: 'Why it stands still' }),
    rebuild: z
      .object({
        handled: z.int(),
        total: z.int(),
        startedAt: instant.nullable(),
        eventsPerSecond: z.int(),
        held: z.boolean().meta({ description: 'It is not read until it is switched to' }),
        problem: z
          .string()
          .nullable()
          .meta({ description: 'Why the rebuild stands still; it goes on by itself' }),
      })
      .nullable(),
    parked: z
      .int()
      .meta({ description: 'Streams that wait because one of their events could not be handled' }),
    digest: z.object({ sha256: z.string(), rows: z.int(), position: z.string() }).nullable().meta({
      description:
        'Of all rows, as they were at that position: the same log has the same digest. Null in the list, and where it is not known yet',
    }),
  })
  .meta({ id: 'Projection' })

const said = z.union([z.looseObject({}), z.array(z.looseObject({}))]).nullable()

export const ProjectionDiff = z
  .object({
    position: z.string().nullable().meta({ description: 'Of both generations' }),
    counts: z.object({ subjects: z.int(), changed: z.int(), added: z.int(), removed: z.int() }),
    changes: z
      .array(
        z.object({
          shopId: z.string(),
          subscriberId: z.string().nullable(),
          before: said.meta({ description: 'Of a list, the first twenty entries that differ' }),
          after: said,
        }),
      )
      .meta({ description: 'The first hundred' }),
  })
  .meta({ id: 'ProjectionDiff' })

export const ParkedStreamItem = z
  .object({
    stream: z.string(),
    shopId: z.string().nullable(),
    subscriberId: z.string().nullable(),
    revision: z.int().meta({ description: 'Of the event that could not be handled' }),
    eventId: z.string().nullable(),
    error: z.string(),
    waiting: z.int().meta({ description: 'How many events wait, that one included' }),
  })
  .meta({ id: 'ParkedStream' })

export const Retried = z.object({
  released: z.int().meta({ description: 'Streams of which nothing waits any more' }),
  stillParked: z.int(),
})

export const Recorded = z
  .object({
    result: z.enum(['recorded', 'duplicate', 'spooled']),
    stream: z.string(),
    revision: z.int().nullable(),
    position: z.string().nullable(),
  })
  .meta({ id: 'Recorded' })

export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() })
}

const DESCRIPTIONS = {
  400: 'A parameter is not as it should be; the detail names it',
  401: 'No valid key, token or signature',
  403: 'The key lacks the scope or the shop',
  404: 'There is no such thing',
  409: 'Not in this state; the detail says why',
  413: 'The body is larger than 256 KiB',
  503: 'The event store or the projection cannot be read now; try again after Retry-After',
  504: 'The position of `after` was not projected in time',
}

/** Answers that are problems, for an OpenAPI operation. */
export function problemsOf(...statuses: (keyof typeof DESCRIPTIONS)[]) {
  return Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: DESCRIPTIONS[status], content: { 'application/problem+json': { schema: Problem } } },
    ]),
  )
}

/** The problems that every read can answer with. */
export const problems = problemsOf(400, 401, 403, 404, 503, 504)
