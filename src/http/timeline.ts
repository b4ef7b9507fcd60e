import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { decodeCursor, pageOf } from './cursor.ts'
import { type ShopRoutes, unknownSubscriber } from './reads.ts'
import {
  instantParam,
  listOf,
  page,
  problems,
  SubscriberParams,
  TimelineEntry,
  TimelineKind,
  TimelineMessage,
} from './schemas.ts'

const Query = z.strictObject({
  kind: TimelineKind.optional(),
  from: instantParam.optional().meta({ description: 'Inclusive' }),
  to: instantParam.optional().meta({ description: 'Exclusive' }),
  order: z.enum(['desc', 'asc']).default('desc').meta({ description: 'By occurredAt; desc is newest first' }),
  ...page,
})

const Cursor = z.tuple([z.string(), z.string()])

export async function timelineRoutes(app: FastifyInstance, { reads }: ShopRoutes): Promise<void> {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/subscribers/:id/timeline',
    {
      schema: {
        tags: ['subscribers'],
        summary: 'All that happened with a subscriber, each message once',
        params: SubscriberParams,
        querystring: Query,
        response: { 200: listOf(TimelineEntry), ...problems },
      },
    },
    async ({ params: { s, id }, query }, reply) => {
      const { kind = null, from = null, to = null, order, limit, cursor, after } = query
      const behind = decodeCursor(cursor, Cursor)
      return reads.projected('message-timeline', after, ({ queries, position }) => {
        const found = queries.page(s, id, { kind, from, to, order, after: behind, limit: limit + 1 })
        if (found === null) throw unknownSubscriber()
        const { items, next } = pageOf(found, limit, ({ occurredAt, eventId }) => [occurredAt, eventId])
        reply.headers(reads.header(position))
        return {
          items: items.map(({ message, ...entry }) => ({
            ...entry,
            message: message === null ? null : TimelineMessage.parse(JSON.parse(message)),
          })),
          next,
        }
      })
    },
  )
}
