import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as z from 'zod'
import type { Clock } from '../clock.ts'
import type { LiveConfig } from '../config.ts'
import { type Intake, StoreError } from '../event-store/event-store.ts'
import type { NewEvent } from '../ledger/event.ts'
import { place } from '../ledger/placement.ts'
import { type Signer, SigningTokens } from '../postscript/signature.ts'
import type { Metrics } from './metrics.ts'
import { Refusal } from './problems.ts'
import { problemsOf, Recorded } from './schemas.ts'

const MOST_BYTES = 256 * 1024

const Signed = z.object({
  'postscript-signature': z.string().meta({ description: "The account's signing token" }),
})
const AnyDelivery = z.looseObject({ event: z.string() }).meta({ description: "Postscript's envelope" })

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a delivery, once its signature is verified. */
    signer: Signer | null
  }
}

export interface WebhookParts {
  readonly intake: Intake
  readonly config: LiveConfig
  readonly clock: Clock
  readonly metrics: Metrics
}

/** `POST /webhooks/postscript`: a verified delivery is durably kept, once, before it is answered. */
export async function webhookRoutes(
  app: FastifyInstance,
  { intake, config, clock, metrics }: WebhookParts,
): Promise<void> {
  let tokens = new SigningTokens([])
  let knownShops: ReadonlySet<string> = new Set()
  config.use(({ shops }) => {
    tokens = new SigningTokens(shops)
    knownShops = new Set(shops.map(({ id }) => id))
  })
  const isKnownShop = (shopId: string) => knownShops.has(shopId)
  app.decorateRequest('signer', null)

  // The bytes as they came, whatever they say they are: what a sender has signed for is kept even where it is no JSON.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request, body, done) =>
    done(null, body),
  )

  const refused = (request: FastifyRequest, detail: string): Refusal => {
    metrics.delivered('refused')
    request.log.warn('a delivery was refused: signature missing or wrong')
    return new Refusal('signature-refused', detail)
  }

  app.post(
    '/webhooks/postscript',
    {
      bodyLimit: MOST_BYTES,
      // Described, not checked: the signature is verified below, and a body is kept whatever it is.
      validatorCompiler: () => () => true,
      schema: {
        tags: ['webhook'],
        summary: 'Takes a delivery of Postscript',
        description:
          'Send the signing token as Postscript-Signature. 200 means durably kept, or found to be kept already. ' +
          'spooled: kept on this node while the event store is away; it has no place in the log yet.',
        headers: Signed,
        body: AnyDelivery,
        response: { 200: Recorded, ...problemsOf(401, 413, 503) },
      },
      onRequest: (request, _reply, done) => {
        const signer = tokens.verify(request.headers['postscript-signature'])
        if (signer === null) {
          done(refused(request, 'Postscript-Signature is missing or wrong'))
          return
        }
        request.signer = signer
        // Fastify refuses a type that it can't read before any parser is asked, and the type decides nothing here.
        delete request.headers['content-type']
        done()
      },
    },
    async (request, reply) => {
      const { signer } = request
      if (signer === null) throw refused(request, 'Postscript-Signature is missing or wrong')
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const { shopId, stream, event } = place({ body, receivedAt: clock(), ...signer }, isKnownShop)
      if (shopId !== null && isKnownShop(shopId) && !signer.shopIds.includes(shopId))
        throw refused(request, 'the token is not one of that shop')

      const { outcome, revision, position } = await appendTimed(stream, event)
      const result = outcome === 'appended' ? 'recorded' : outcome
      metrics.delivered(result)
      // Made by hand: all parts are ids and numbers, and this is the one answer that is given 20,000 times a second.
      reply.type('application/json')
      const quoted = position === null ? null : `"${position}"`
      return `{"result":"${result}","stream":"${stream}","revision":${revision},"position":${quoted}}`
    },
  )

  async function appendTimed(stream: string, event: NewEvent): ReturnType<Intake['append']> {
    const begun = performance.now()
    try {
      const appended = await intake.append(stream, event)
      metrics.appended((performance.now() - begun) / 1000)
      return appended
    } catch (error) {
      if (error instanceof StoreError) metrics.delivered('unavailable')
      throw error
    }
  }
}
