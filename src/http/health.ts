import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { type Intake, type SpoolState, StoreError } from '../event-store/event-store.ts'
import type { Progress } from '../projecting/projector.ts'

const Ready = z.object({
  status: z.enum(['ready', 'spooling', 'unavailable']),
  problems: z
    .array(z.string())
    .meta({ description: 'What is wrong; reads may be behind while deliveries are kept' }),
})

export interface HealthParts {
  readonly intake: Intake
  readonly progress: () => readonly Progress[]
}

/** The route is open and each probe writes to the disk, so it is asked only so often, in milliseconds. */
const PROBE_MS = 500

/** `GET /healthz`: the process answers. `GET /readyz`: deliveries can be kept, spooling included, shown by writing. */
export async function healthRoutes(app: FastifyInstance, { intake, progress }: HealthParts): Promise<void> {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const probed = onceIn(PROBE_MS, () => whatIsWrong(intake))

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
      const spool = intake.spool?.state()
      const waiting = spool === undefined ? [] : spoolProblems(spool)
      const halted = progress().flatMap(({ name, halted: why }) => (why === null ? [] : [`${name}: ${why}`]))
      if (unwritable !== null) {
        // The spool may have said the same of itself.
        const problems = [...new Set([unwritable, ...waiting, ...halted])]
        return reply.code(503).send({ status: 'unavailable', problems })
      }
      const status = spool?.spooling === true ? ('spooling' as const) : ('ready' as const)
      return { status, problems: [...waiting, ...halted] }
    },
  )
}

async function whatIsWrong(intake: Intake): Promise<string | null> {
  try {
    await intake.probe()
    return null
  } catch (error) {
    if (error instanceof StoreError) return error.message
    throw error
  }
}

function spoolProblems({ reason, depth, full, setAside }: SpoolState): string[] {
  return [
    ...(reason === null ? [] : [reason]),
    ...(depth === 0 ? [] : [`deliveries that wait in the spool: ${depth}`]),
    ...(full ? ['the spool is full'] : []),
    ...(setAside === 0 ? [] : [`deliveries set aside because the event store refuses them: ${setAside}`]),
  ]
}

function onceIn<T>(milliseconds: number, ask: () => Promise<T>): () => Promise<T> {
  let last: { asked: number; answer: Promise<T> } | null = null
  return () => {
    const now = performance.now()
    if (last === null || now - last.asked >= milliseconds) last = { asked: now, answer: ask() }
    return last.answer
  }
}
