import type { FastifyInstance } from 'fastify'
import type { ApiKeys } from './auth.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsParts {
  readonly metrics: Metrics
  readonly keys: ApiKeys
}

/** `GET /metrics`, for keys that may operate. */
export async function metricsRoutes(app: FastifyInstance, { metrics, keys }: MetricsParts): Promise<void> {
  app.get(
    '/metrics',
    {
      schema: {
        tags: ['operations'],
        summary: 'Prometheus metrics',
        security: [{ key: [] }],
        produces: ['text/plain'],
      },
      onRequest: async (request) => {
        keys.require(request.headers.authorization, 'operate')
      },
    },
    async (_request, reply) => {
      reply.type(metrics.registry.contentType)
      return metrics.registry.metrics()
    },
  )
}
