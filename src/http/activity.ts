import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { dateIn, daysAfter } from '../../projections/shop-activity/local-days.ts'
import { Refusal } from './problems.ts'
import type { ShopRoutes } from './reads.ts'
import { after, dateParam, problems, ShopActivity, ShopParams } from './schemas.ts'

const DEFAULT_DAYS = 30
/** A year and its comparison with the month before; and what one answer costs stays within milliseconds. */
const MOST_DAYS = 400

const Query = z.strictObject({
  from: dateParam.optional().meta({ description: `Inclusive; without it ${DEFAULT_DAYS} days up to \`to\`` }),
  to: dateParam.optional().meta({ description: 'Inclusive; without it today, where the shop is' }),
  after,
})

export async function activityRoutes(
  app: FastifyInstance,
  { reads, clock, shop }: ShopRoutes,
): Promise<void> {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/activity',
    {
      schema: {
        tags: ['activity'],
        summary: "Opt-ins, opt-outs and messages by day, in the shop's time zone",
        params: ShopParams,
        querystring: Query,
        response: { 200: ShopActivity, ...problems },
      },
    },
    async ({ params: { s }, query }, reply) => {
      const { timeZone } = shop(s)
      const to = query.to ?? dateIn(timeZone, clock())
      const from = query.from ?? daysAfter(to, 1 - DEFAULT_DAYS)
      if (from > to) throw new Refusal('bad-parameter', `from: must not be after ${to}`)
      if (from <= daysAfter(to, -MOST_DAYS))
        throw new Refusal('bad-parameter', `from: must be within ${MOST_DAYS} days up to ${to}`)
      return reads.projected('shop-activity', query.after, ({ queries, position }) => {
        const days = queries.days(s, from, to, timeZone)
        reply.headers(reads.header(position))
        return { shopId: s, timeZone, from, to, days, totals: totalsOf(days) }
      })
    },
  )
}

type Counts = z.infer<typeof ShopActivity>['totals']

function totalsOf(days: readonly Counts[]): Counts {
  const total = (what: keyof Counts) => days.reduce((sum, day) => sum + day[what], 0)
  return {
    optIns: total('optIns'),
    optOuts: total('optOuts'),
    netChange: total('netChange'),
    messages: total('messages'),
  }
}
