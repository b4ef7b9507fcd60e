import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { type EventStore, StoreError } from '../event-store/event-store.ts'
import type { Progress } from '../projecting/projector.ts'

const Ready = z.object({
  status: z.enum(['ready', 'unavailable']),
  problems: z
    .array(z.string())
    .meta({ description: 'What is wrong; reads may be behind while deliveries are kept' }),
})

export interface HealthParts {
  readonly store: EventStore
  readonly progress: () => readonly Progress[]
}

/** The route is open and each probe writes to the disk, so it is asked only so often, in milliseconds. */
const PROBE_MS = 500

/** `GET /healthz`: the process answers. `GET /readyz`: deliveries can be kept, shown by writing. */
export async function healthRoutes(app: FastifyInstance, { store, progress }: HealthParts): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const probed = onceIn(PROBE_MS, () => whatIsWrong(store))

  routes.get(
    '/healthz',
    {
      schema: {
        tags: ['operations'],
        summary: 'The process is alive',
        response: { 200: z.object({ status: z.literal('alive') }) },
      },
    },
    async () => ({ status: 'alive' as const }),
  )

  routes.get(
    '/readyz',
    {
      schema: {
        tags: ['operations'],
        summary: 'Deliveries can be kept',
        response: { 200: Ready, 503: Ready },
      },
    },
    async (_request, reply) => {
      const unwritable = await probed()
      const halted = progress().flatMap(({ name, halted: why }) => (why === null ? [] : [`${name}: ${why}`]))
      const problems = unwritable === null ? halted : [unwritable, ...halted]
      if (unwritable === null) return { status: 'ready' as const, problems }
      return reply.code(503).send({ status: 'unavailable', problems })
    },
  )
}

async function whatIsWrong(store: EventStore): Promise<string | null> {
  try {
    await store.probe()
    return null
  } catch (error) {
    if (error instanceof StoreError) return error.message
    throw error
  }
}

function onceIn<T>(milliseconds: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { asked: number; answer: Promise<T> } | null = null
  return () => {
    const now = performance.now()
    if (last === null || now - last.asked >= milliseconds) last = { asked: now, answer: ask() }
    return last.answer
  }
}
