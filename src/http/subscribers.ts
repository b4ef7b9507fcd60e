import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { streams } from '../ledger/event.ts'
import type { ReadView } from '../projecting/read-models.ts'
import { decodeCursor, pageOf } from './cursor.ts'
import { readPhone } from './phone.ts'
import { type ShopRoutes, unknownSubscriber } from './reads.ts'
import {
  after,
  listOf,
  page,
  problems,
  ShopParams,
  StatusFilter,
  Subscriber,
  SubscriberParams,
} from './schemas.ts'

const ListQuery = z.strictObject({
  status: StatusFilter.optional(),
  phone: z.string().optional().meta({ description: 'In any common spelling' }),
  email: z.string().min(1).optional().meta({ description: 'In upper or lower case' }),
  ...page,
})

const Cursor = z.tuple([z.string()])

export async function subscriberRoutes(
  app: FastifyInstance,
  { reads, spool, shop }: ShopRoutes,
): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const isIncomplete = (shopId: string, id: string, isParked: ReadView<'subscriber-status'>['isParked']) => {
    const stream = streams.subscriber(shopId, id)
    return isParked(stream) || (spool?.holds(stream) ?? false)
  }

  routes.get(
    '/subscribers',
    {
      schema: {
        tags: ['subscribers'],
        summary: "A shop's subscribers, by id",
        params: ShopParams,
        querystring: ListQuery,
        response: { 200: listOf(Subscriber), ...problems },
      },
    },
    async ({ params, query }, reply) => {
      const { status = null, email = null, phone, limit } = query
      const phones = phone === undefined ? null : (await readPhone(phone, shop(params.s).region)).spellings
      const [behind = null] = decodeCursor(query.cursor, Cursor) ?? []
      return reads.projected('subscriber-status', query.after, ({ queries, position, isParked }) => {
        const found = queries.list(params.s, { status, phones, email }, behind, limit + 1)
        const { items, next } = pageOf(found, limit, ({ subscriberId }) => [subscriberId])
        reply.headers(reads.header(position))
        return {
          items: items.map((one) => ({
            ...one,
            incomplete: isIncomplete(params.s, one.subscriberId, isParked),
          })),
          next,
        }
      })
    },
  )

  routes.get(
    '/subscribers/:id',
    {
      schema: {
        tags: ['subscribers'],
        summary: 'One subscriber: may we text them?',
        params: SubscriberParams,
        querystring: z.strictObject({ after }),
        response: { 200: Subscriber, ...problems },
      },
    },
    async ({ params: { s, id }, query }, reply) =>
      reads.projected('subscriber-status', query.after, ({ queries, position, isParked }) => {
        const found = queries.get(s, id)
        if (found === null) throw unknownSubscriber()
        reply.headers(reads.header(position))
        return { ...found, incomplete: isIncomplete(s, id, isParked) }
      }),
  )
}
