import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { StoreError } from '../event-store/event-store.ts'
import { streams } from '../ledger/event.ts'
import { decodeCursor, pageOf } from './cursor.ts'
import { type ShopRoutes, unknownSubscriber } from './reads.ts'
import {
  listOf,
  page,
  problems,
  ShopParams,
  StoredEventItem,
  SubscriberParams,
  UnplacedItem,
} from './schemas.ts'

const Query = z.strictObject(page)
const Revision = z.tuple([z.int().min(0)])
const UnplacedCursor = z.tuple([z.string(), z.string()])

/** The stored events as they are: a subscriber's, and those no subscriber could be read from. */
export async function eventRoutes(app: FastifyInstance, { reads, log }: ShopRoutes): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()

  routes.get(
    '/subscribers/:id/events',
    {
      schema: {
        tags: ['events'],
        summary: 'The stored events of a subscriber, oldest first',
        params: SubscriberParams,
        querystring: Query,
        response: { 200: listOf(StoredEventItem), ...problems },
      },
    },
    async ({ params: { s, id }, query }, reply) => {
      const [from = 0] = decodeCursor(query.cursor, Revision) ?? []
      const position = await log.head()
      const found = await log.readStream(streams.subscriber(s, id), from, query.limit + 1)
      if (found.length === 0 && from === 0) throw unknownSubscriber()
      reply.headers(reads.header(position))
      return pageOf(found, query.limit, ({ revision }) => [revision + 1])
    },
  )

  routes.get(
    '/unplaced',
    {
      schema: {
        tags: ['events'],
        summary: 'The events that no subscriber could be read from, oldest first, and why',
        params: ShopParams,
        querystring: Query,
        response: { 200: listOf(UnplacedItem), ...problems },
      },
    },
    async ({ params: { s }, query }, reply) => {
      const behind = decodeCursor(query.cursor, UnplacedCursor)
      const { rows, position } = await reads.projected('unplaced', query.after, (view) => ({
        rows: view.queries.list(s, behind, query.limit + 1),
        position: view.position,
      }))
      const { items, next } = pageOf(rows, query.limit, ({ recordedAt, eventId }) => [recordedAt, eventId])
      reply.headers(reads.header(position))
      return {
        items: await Promise.all(
          items.map(async ({ stream, revision, reason, placedIn }) => {
            const [event] = await log.readStream(stream, revision, 1)
            if (event === undefined)
              throw new StoreError('store-damaged', 'an event that was projected is not there')
            return { ...event, reason, placedIn }
          }),
        ),
        next,
      }
    },
  )
}
