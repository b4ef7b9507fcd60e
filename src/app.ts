import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { Clock } from './clock.ts'
import type { LiveConfig } from './config.ts'
import type { EventLog, Intake } from './event-store/event-store.ts'
import { ApiKeys } from './http/auth.ts'
import { healthRoutes } from './http/health.ts'
import type { Metrics } from './http/metrics.ts'
import { metricsRoutes } from './http/metrics-route.ts'
import { openApi } from './http/openapi.ts'
import { answerErrorsAsProblems, problemsBeforeRouting } from './http/problems.ts'
import { projectionRoutes } from './http/projections.ts'
import { Reads } from './http/reads.ts'
import { shopRoutes } from './http/shops.ts'
import { webhookRoutes } from './http/webhook.ts'
import type { Inspector } from './projecting/inspector.ts'
import type { ReadModels } from './projecting/read-models.ts'

/** What the app is built from. Whoever opened a part closes it. */
export interface AppParts {
  /** Where deliveries go. */
  readonly intake: Intake
  /** What is read from. */
  readonly log: EventLog
  readonly readModels: ReadModels
  readonly inspector: Inspector
  readonly config: LiveConfig
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: FastifyBaseLogger | false
}

/** Builds the app, ready to listen or to be injected requests. Rejects where a part refuses to start. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { intake, log, readModels, inspector, config, clock, metrics, logger } = parts
  const app = Fastify({
    ...problemsBeforeRouting,
    // Fastify's own request lines would hold addresses, and an address can hold a phone number.
    logController: new LogController({ disableRequestLogging: true }),
    ...(logger === false ? { logger: false } : { loggerInstance: logger }),
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  answerErrorsAsProblems(app)
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none'
    metrics.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
  metrics.watchLag(log, () => readModels.progress, clock)
  if (intake.spool !== undefined) metrics.watchSpool(intake.spool, clock)

  await openApi(app)

  const keys = new ApiKeys(config)
  const reads = new Reads(log, readModels)
  await app.register(webhookRoutes, { intake, config, clock, metrics })
  await app.register(shopRoutes, {
    prefix: '/v1/shops/:s',
    reads,
    log,
    spool: intake.spool,
    config,
    clock,
    keys,
  })
  await app.register(projectionRoutes, { prefix: '/v1/projections', log, readModels, inspector, keys, clock })
  await app.register(healthRoutes, { intake, progress: () => readModels.progress })
  await app.register(metricsRoutes, { metrics, keys })
  await app.ready()
  return app
}
