import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import packageJson from '../../package.json' with { type: 'json' }

type TransformObject = typeof jsonSchemaTransformObject

// Each schema comes twice, as it is sent and as it is answered; nothing here is sent, so half of them are noise.
const transformObject: TransformObject = (input) => {
  const document = jsonSchemaTransformObject(input)
  if ('components' in document && document.components?.schemas !== undefined)
    for (const name of Object.keys(document.components.schemas))
      if (name.endsWith('Input')) delete document.components.schemas[name]
  return document
}

/** `GET /openapi.json` and `/docs`, made from the schemas that check requests and answers; of routes registered later. */
export async function openApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Subscriber ledger',
        version: packageJson.version,
        description: packageJson.description,
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
    transformObject,
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}
