import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { consentAt, consentHistory } from '../ledger/consent.ts'
import type { SubscriberFact } from '../ledger/interpret.ts'
import { decodeCursor, pageOf, unknownCursor } from './cursor.ts'
import { readPhone } from './phone.ts'
import { type ShopRoutes, unknownSubscriber } from './reads.ts'
import {
  after,
  HistoryEntry,
  instantParam,
  listOf,
  PhoneConsent,
  page,
  problems,
  ShopParams,
  SubscriberConsent,
  SubscriberParams,
} from './schemas.ts'

const twoTimes = {
  at: instantParam.optional(),
  knownAt: instantParam.optional(),
  after,
}

const Cursor = z.tuple([z.string()])

export async function consentRoutes(app: FastifyInstance, { reads, shop }: ShopRoutes): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.get(
    '/subscribers/:id/consent',
    {
      schema: {
        tags: ['consent'],
        summary: 'Consent as of a moment, as known at a moment',
        params: SubscriberParams,
        querystring: z.strictObject(twoTimes),
        response: { 200: SubscriberConsent, ...problems },
      },
    },
    async ({ params: { s, id }, query }, reply) => {
      const { at = null, knownAt = null } = query
      const { facts, position } = await reads.subscriber(s, id)
      if (facts.length === 0) throw unknownSubscriber()
      const { status, since, evidence } = consentAt(facts, { at, knownAt })
      reply.headers(reads.header(position))
      return { shopId: s, subscriberId: id, status, since, evidence, at, knownAt }
    },
  )

  routes.get(
    '/consent',
    {
      schema: {
        tags: ['consent'],
        summary: 'Consent of whoever has ever had a phone number: a number is what gets texted',
        params: ShopParams,
        querystring: z.strictObject({
          phone: z.string().meta({ description: 'In any common spelling' }),
          ...twoTimes,
        }),
        response: { 200: PhoneConsent, ...problems },
      },
    },
    async ({ params: { s }, query }, reply) => {
      const { at = null, knownAt = null } = query
      const { e164, spellings } = await readPhone(query.phone, shop(s).region)
      const found = await reads.projectedToHead('subscriber-status', ({ queries, position }) => ({
        subscriberIds: queries.everHad(s, spellings),
        position,
      }))
      const facts: SubscriberFact[] = []
      for (const id of found.subscriberIds) facts.push(...(await reads.subscriber(s, id)).facts)
      const { status, since, evidence } = consentAt(facts, { at, knownAt })
      reply.headers(reads.header(found.position))
      return {
        shopId: s,
        phone: e164,
        subscriberIds: found.subscriberIds,
        status,
        since,
        evidence,
        at,
        knownAt,
      }
    },
  )

  routes.get(
    '/subscribers/:id/consent/history',
    {
      schema: {
        tags: ['consent'],
        summary: 'Every fact that decides on consent, oldest first, and what it did',
        params: SubscriberParams,
        querystring: z.strictObject({ knownAt: instantParam.optional(), ...page }),
        response: { 200: listOf(HistoryEntry), ...problems },
      },
    },
    async ({ params: { s, id }, query }, reply) => {
      const { facts, position } = await reads.subscriber(s, id)
      if (facts.length === 0) throw unknownSubscriber()
      const history = consentHistory(facts, query.knownAt ?? null)
      // Behind the event that ended the page before, wherever it stands now: what comes late moves the ones after it.
      const [behind = null] = decodeCursor(query.cursor, Cursor) ?? []
      const begin = behind === null ? 0 : 1 + history.findIndex(({ evidence }) => evidence.eventId === behind)
      if (behind !== null && begin === 0) throw unknownCursor()
      reply.headers(reads.header(position))
      return pageOf(history.slice(begin, begin + query.limit + 1), query.limit, ({ evidence }) => [
        evidence.eventId,
      ])
    },
  )
}
