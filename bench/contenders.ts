/** Runs as a process of its own: `node bench/contenders.ts <role> [url]`. Prints the port it listens at. */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { jsonEvent, NO_STREAM } from '@eventstore/db-client'
import Fastify, { type FastifyInstance } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import pg from 'pg'
import * as z from 'zod'
import { systemClock } from '../src/clock.ts'
import { LiveConfig } from '../src/config.ts'
import type { EventStore } from '../src/event-store/event-store.ts'
import { Connection } from '../src/event-store/eventstoredb/connection.ts'
import { openEmbedded } from '../src/event-store/open.ts'
import { writeFirstConfig } from '../src/first-start.ts'
import { Metrics } from '../src/http/metrics.ts'
import { webhookRoutes } from '../src/http/webhook.ts'
import { CallersThreadStore } from './callers-thread-store.ts'

const [role, url = ''] = process.argv.slice(2)
const PATH = '/webhooks/postscript'

const Body = z.looseObject({ event_data: z.looseObject({ subscriber_id: z.string() }) })

const roles: Readonly<Record<string, (app: FastifyInstance) => Promise<void>>> = {
  // Parses the body, as any route does that looks at it.
  bare: async (app) => {
    app.post(PATH, async () => ({ result: 'recorded' }))
  },
  postgres: async (app) => {
    const pool = new pg.Pool({ connectionString: url, max: 16 })
    await pool.query('DROP TABLE IF EXISTS event')
    await pool.query(
      'CREATE TABLE event (id BIGSERIAL PRIMARY KEY, received_at TIMESTAMPTZ NOT NULL, data JSONB NOT NULL)',
    )
    const text = 'INSERT INTO event (received_at, data) VALUES (now(), $1)'
    app.post(PATH, async (request) => {
      await pool.query({ name: 'insert', text, values: [request.body] })
      return { result: 'recorded' }
    })
  },
  // The bare client behind a route that parses the body, a call an append or all on the client's batch call.
  'eventstoredb-calls': (app) => bareClient(app, 'calls'),
  'eventstoredb-batch': (app) => bareClient(app, 'batch'),
  // The ledger's own route and log, without its projections: the commit in a thread of its own, or in the one that serves.
  'writer-thread': (app) => ingest(app, (path) => openEmbedded(path, { writer: 'bench' })),
  'callers-thread': (app) => ingest(app, async (path) => new CallersThreadStore(path)),
}

// Appends each subscriber's at the revision that this process has seen, and looks for no repetition.
async function bareClient(app: FastifyInstance, path: 'calls' | 'batch'): Promise<void> {
  const { client, credentials } = new Connection({ url })
  const run = randomUUID()
  const revisions = new Map<string, Promise<bigint>>()
  app.post(PATH, async ({ body }) => {
    const data = Body.parse(body)
    const stream = `bench.${run}-${data.event_data.subscriber_id}`
    const append = async (expectedRevision: bigint | 'no_stream') => {
      const metadata = { filler: 'x'.repeat(560) }
      const event = jsonEvent({ id: randomUUID(), type: 'shop.incoming_message', data, metadata })
      // Given per call, credentials make it a call of its own.
      const own = path === 'calls' ? { credentials } : {}
      const options = { expectedRevision, requiresLeader: true, ...own }
      return (await client.appendToStream(stream, event, options)).nextExpectedRevision
    }
    const before = revisions.get(stream)
    const appending = before === undefined ? append(NO_STREAM) : before.then(append)
    revisions.set(stream, appending)
    await appending
    return { result: 'recorded' }
  })
}

async function ingest(app: FastifyInstance, open: (path: string) => Promise<EventStore>): Promise<void> {
  const folder = process.env['LEDGER_DATA'] ?? '.'
  const { signingToken } = writeFirstConfig(join(folder, 'config.json'))
  console.log(`signing token  ${signingToken}`)
  const config = await LiveConfig.open(join(folder, 'config.json'))
  const store = await open(join(folder, 'log.sqlite'))
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  await app.register(webhookRoutes, { intake: store, config, clock: systemClock(), metrics: new Metrics() })
}

const app = Fastify()
const play = roles[role ?? '']
if (play === undefined) throw new Error(`no role ${role}: one of ${Object.keys(roles).join(', ')}`)
await play(app)
console.log(`listening ${new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port}`)
process.once('SIGTERM', () => process.exit(0))
