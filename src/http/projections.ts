import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { findProjectionName, type ProjectionName, projectionNames } from '../../projections/index.ts'
import type { Clock } from '../clock.ts'
import type { EventLog } from '../event-store/event-store.ts'
import { parseStreamName } from '../ledger/event.ts'
import type { ParkedStream } from '../projecting/generation-reader.ts'
import { InspectionFailed, type Inspector } from '../projecting/inspector.ts'
import { ErrandFailed } from '../projecting/projector-client.ts'
import type { ReadModels } from '../projecting/read-models.ts'
import { type ApiKeys, requireAllShops, type Scope } from './auth.ts'
import { decodeCursor, pageOf } from './cursor.ts'
import { Refusal } from './problems.ts'
import { progressEvents } from './progress-events.ts'
import { statusesOf } from './projection-status.ts'
import {
  listOf,
  ParkedStreamItem,
  ProjectionDiff,
  ProjectionStatus,
  page,
  problemsOf,
  Retried,
} from './schemas.ts'

export interface ProjectionParts {
  readonly log: EventLog
  readonly readModels: ReadModels
  readonly inspector: Inspector
  readonly keys: ApiKeys
  readonly clock: Clock
}

const Params = z.object({
  name: z.string().meta({ description: 'The name of a projection', examples: ['subscriber-status'] }),
})
const NoQuery = z.strictObject({})
const RebuildQuery = z.strictObject({
  hold: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ type: 'boolean', description: 'Do not read what is built until it is switched to' }),
})
const ParkedQuery = z.strictObject({ limit: page.limit, cursor: page.cursor })
const ParkedCursor = z.tuple([z.string()])

/** How long a digest is waited for, in milliseconds; where it takes longer, the last one is told, and of which position. */
const DIGEST_WITHIN_MS = 1_000
/** Two generations that can't be compared, however often it is tried. */
const INCOMPARABLE = new Set(['schemas-differ', 'generations-apart', 'no-subjects', 'given-up'])

const tags = ['projections']
const security = [{ key: [] }]
const reading = problemsOf(400, 401, 403, 404)

/** Everything below `/v1/projections`: how they stand, rebuilding them, and what waits in them. */
export async function projectionRoutes(
  app: FastifyInstance,
  { log, readModels, inspector, keys, clock }: ProjectionParts,
): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const statusOf = async (name: ProjectionName) => {
    const [status] = await statusesOf([name], { log, readModels, clock })
    if (status === undefined) throw new TypeError(`no projection is called ${name}`)
    return status
  }
  const allow =
    (...scopes: Scope[]) =>
    async ({ headers }: FastifyRequest) => {
      keys.require(headers.authorization, ...scopes)
    }
  // How a projection stands tells nothing of any shop: whoever may read or operate may know.
  const mayRead = allow('read', 'operate')
  const mayOperate = allow('operate')
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  routes.get(
    '',
    {
      onRequest: mayRead,
      schema: {
        tags,
        security,
        summary: 'How the projections stand',
        querystring: NoQuery,
        response: { 200: listOf(ProjectionStatus), ...problemsOf(400, 401, 403) },
      },
    },
    async () => ({ items: await statusesOf(projectionNames, { log, readModels, clock }), next: null }),
  )

  routes.get(
    '/:name',
    {
      onRequest: mayRead,
      schema: {
        tags,
        security,
        summary: 'How a projection stands',
        params: Params,
        querystring: NoQuery,
        response: { 200: ProjectionStatus, ...reading },
      },
    },
    async ({ params }) => {
      const name = projectionNamed(params.name)
      const { served } = readModels.files(name)
      const digest = served === null ? null : await inspector.digestWithin(served, DIGEST_WITHIN_MS)
      return {
        ...(await statusOf(name)),
        digest: digest === null ? null : { ...digest, position: digest.position ?? log.start },
      }
    },
  )

  app.get(
    '/:name/progress',
    {
      onRequest: mayRead,
      schema: {
        tags,
        security,
        summary: 'The same as server-sent events, at least one a second, until it is live',
        params: Params,
        querystring: NoQuery,
        response: {
          200: {
            description: 'Each event is a Projection',
            content: { 'text/event-stream': { schema: z.string() } },
          },
          ...reading,
        },
      },
    },
    async ({ params }, reply) => {
      const name = projectionNamed(Params.parse(params).name)
      // Proxies that gather an answer before they pass it on would keep it until the end.
      reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' }).type('text/event-stream')
      return reply.send(Readable.from(progressEvents(() => statusOf(name), closing.signal)))
    },
  )

  routes.post(
    '/:name/rebuild',
    {
      onRequest: mayOperate,
      schema: {
        tags,
        security,
        summary: 'Build it anew from the beginning of the log, while it is read as it is',
        params: Params,
        querystring: RebuildQuery,
        response: { 202: ProjectionStatus, ...reading, ...problemsOf(409) },
      },
    },
    async ({ params, query }, reply) => {
      const name = projectionNamed(params.name)
      readModels.rebuild(name, query.hold)
      reply.code(202).header('location', `/v1/projections/${name}`)
      return statusOf(name)
    },
  )

  routes.delete(
    '/:name/rebuild',
    {
      onRequest: mayOperate,
      schema: {
        tags,
        security,
        summary: 'Cancel a rebuild; nothing is left of it',
        params: Params,
        querystring: NoQuery,
        response: { 204: z.null().meta({ description: 'It is cancelled' }), ...reading },
      },
    },
    async ({ params }, reply) => {
      const name = projectionNamed(params.name)
      if (!(await readModels.cancel(name))) throw new Refusal('no-rebuild', `${name} is not being rebuilt`)
      return reply.code(204).send(null)
    },
  )

  routes.get(
    '/:name/diff',
    {
      onRequest: async ({ headers }) => requireAllShops(keys.require(headers.authorization, 'operate')),
      schema: {
        tags,
        security,
        summary:
          'What would change if the rebuild that is held were read; for keys that may operate, of all shops',
        params: Params,
        querystring: NoQuery,
        response: { 200: ProjectionDiff, ...reading, ...problemsOf(409, 503) },
      },
    },
    async ({ params, raw }) => {
      const name = projectionNamed(params.name)
      const { served, next } = readModels.files(name)
      if (served === null || next === null)
        throw new Refusal('nothing-to-compare', `${name} has no rebuild that is held and built`)
      const abort = new AbortController()
      raw.on('close', () => abort.abort())
      try {
        return ProjectionDiff.parse(await inspector.diff(served, next, abort.signal))
      } catch (error) {
        if (!(error instanceof InspectionFailed)) throw error
        throw new Refusal(
          INCOMPARABLE.has(error.code) ? 'nothing-to-compare' : 'inspection-failed',
          error.message,
        )
      }
    },
  )

  routes.post(
    '/:name/switch',
    {
      onRequest: mayOperate,
      schema: {
        tags,
        security,
        summary: 'Read what was rebuilt and held',
        params: Params,
        querystring: NoQuery,
        response: { 200: ProjectionStatus, ...reading, ...problemsOf(409) },
      },
    },
    async ({ params }) => {
      const name = projectionNamed(params.name)
      if (!(await readModels.switchOver(name)))
        throw new Refusal('nothing-to-switch', `${name} has no generation that is held and has caught up`)
      return statusOf(name)
    },
  )

  routes.get(
    '/:name/parked',
    {
      onRequest: async ({ headers }) => requireAllShops(keys.require(headers.authorization, 'operate')),
      schema: {
        tags,
        security,
        summary: 'Who waits, and why; for keys that may operate, of all shops',
        params: Params,
        querystring: ParkedQuery,
        response: { 200: listOf(ParkedStreamItem), ...reading, ...problemsOf(503) },
      },
    },
    async ({ params, query: { cursor, limit } }) => {
      const [behind = null] = decodeCursor(cursor, ParkedCursor) ?? []
      const found = readModels.parked(projectionNamed(params.name), behind, limit + 1)
      const { items, next } = pageOf(found, limit, ({ stream }) => [stream])
      return { items: items.map(described), next }
    },
  )

  routes.post(
    '/:name/parked/retry',
    {
      onRequest: mayOperate,
      schema: {
        tags,
        security,
        summary: 'Try again, in order, what waits',
        params: Params,
        querystring: NoQuery,
        response: { 200: Retried, ...reading, ...problemsOf(503) },
      },
    },
    async ({ params }) => {
      try {
        return await readModels.retry(projectionNamed(params.name))
      } catch (error) {
        if (error instanceof ErrandFailed) throw new Refusal('store-unavailable', error.message)
        throw error
      }
    },
  )
}

function described(parked: ParkedStream): z.infer<typeof ParkedStreamItem> {
  const name = parseStreamName(parked.stream)
  const subscriberId = name?.kind === 'subscriber' ? name.subscriberId : null
  return { ...parked, shopId: name?.shopId ?? null, subscriberId }
}

function projectionNamed(text: string): ProjectionName {
  const name = findProjectionName(text)
  if (name === undefined) throw new Refusal('unknown-projection', `there are: ${projectionNames.join(', ')}`)
  return name
}
