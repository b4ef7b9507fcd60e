import type { FastifyInstance } from 'fastify'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { LiveConfig, ShopConfig } from '../config.ts'
import type { EventLog, SpoolView } from '../event-store/event-store.ts'
import { activityRoutes } from './activity.ts'
import { type ApiKeys, requireShop } from './auth.ts'
import { consentRoutes } from './consent.ts'
import { eventRoutes } from './events.ts'
import { Refusal } from './problems.ts'
import type { Reads, ShopRoutes } from './reads.ts'
import { subscriberRoutes } from './subscribers.ts'
import { timelineRoutes } from './timeline.ts'

export interface ShopParts {
  readonly reads: Reads
  readonly log: EventLog
  readonly spool: SpoolView | undefined
  readonly config: LiveConfig
  readonly clock: Clock
  readonly keys: ApiKeys
}

const Params = z.object({ s: z.string() })
const Query = z.object({ after: z.string().optional() })

/** Everything below `/v1/shops/{s}`: for keys that may read, of shops that they are for. */
export async function shopRoutes(
  app: FastifyInstance,
  { reads, log, spool, config, clock, keys }: ShopParts,
): Promise<void> {
  let shops: ReadonlyMap<string, ShopConfig> = new Map()
  config.use((current) => {
    shops = new Map(current.shops.map((shop) => [shop.id, shop]))
  })
  const shop = (id: string): ShopConfig => {
    const found = shops.get(id)
    if (found === undefined) throw new Refusal('unknown-shop', 'the shop is not in the config')
    return found
  }

  app.addHook('onRequest', async (request) => {
    const key = keys.require(request.headers.authorization, 'read')
    const { s } = Params.parse(request.params)
    requireShop(key, s)
    shop(s)
  })
  // Of every read, whether it waits for the position or is current anyway.
  app.addHook('preHandler', async (request) => {
    const { after } = Query.parse(request.query)
    if (after !== undefined && !log.isPosition(after))
      throw new Refusal('bad-parameter', 'after: must be a position that the ledger gave')
  })
  app.addHook('onRoute', (route) => {
    route.schema = { ...route.schema, security: [{ key: [] }] }
  })

  const parts: ShopRoutes = { reads, log, spool, clock, shop }
  await app.register(subscriberRoutes, parts)
  await app.register(consentRoutes, parts)
  await app.register(timelineRoutes, parts)
  await app.register(eventRoutes, parts)
  await app.register(activityRoutes, parts)
}
