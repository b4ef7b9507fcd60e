import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { FastifyBaseLogger, InjectOptions } from 'fastify'
import { onTestFinished } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import { LiveConfig } from '../../src/config.ts'
import type { EventStore } from '../../src/event-store/event-store.ts'
import { type LogLocation, openEmbedded, openEventStoreDb } from '../../src/event-store/open.ts'
import { SpoolingStore } from '../../src/event-store/spool/spooling-store.ts'
import { Metrics } from '../../src/http/metrics.ts'
import { Recorded } from '../../src/http/schemas.ts'
import type { JsonObject } from '../../src/ledger/json.ts'
import { Inspector } from '../../src/projecting/inspector.ts'
import { ReadModels } from '../../src/projecting/read-models.ts'
import { GatedStore } from '../event-store/gate.ts'
import { Pauses, until } from '../event-store/spool-doubles.ts'
import { SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'

export const OTHER_SHOP = 'shop_other'
/** Configured, under a token of its own. */
export const FOREIGN_SHOP = 'shop_foreign'

export const TOKEN = 'token-of-the-account'
export const OLD_TOKEN = 'token-before-rotation'
export const FOREIGN_TOKEN = 'token-of-somebody-else'

export const READER = 'lk_reads_all_shops'
export const OPERATOR = 'lk_operates_all_shops'
export const ONE_SHOP_READER = 'lk_reads_one_shop'

export const CONFIG = {
  shops: [
    { id: SHOP, signingTokens: [TOKEN, OLD_TOKEN], region: 'US' },
    { id: OTHER_SHOP, signingTokens: [TOKEN], region: 'DE' },
    { id: FOREIGN_SHOP, signingTokens: [FOREIGN_TOKEN] },
  ],
  apiKeys: [
    key('support desk', READER, ['read'], ['*']),
    key('machine room', OPERATOR, ['operate'], ['*']),
    key('one shop', ONE_SHOP_READER, ['read'], [SHOP]),
  ],
}

export function key(name: string, secret: string, scopes: string[], shops: string[]) {
  return { name, sha256: createHash('sha256').update(secret).digest('hex'), scopes, shops }
}

export interface AppOptions {
  readonly config?: object
  /** Of what was received; what is recorded is timed by the machine's clock. */
  readonly clock?: Clock
  readonly logger?: FastifyBaseLogger
  /** A folder with the data of an app that has been closed. */
  readonly folder?: string
  /** With a spool before the log, which holds at most so many bytes. */
  readonly spool?: { readonly mostBytes: number }
}

type Finished = (close: () => Promise<void>) => void
export type RunningApp = Awaited<ReturnType<typeof runApp>>

/** The whole ledger, but for its command line, on a folder of its own; closed when the test, or the file, is finished. */
export async function runApp(
  { config = CONFIG, clock = systemClock(), logger, folder: given, spool }: AppOptions = {},
  finished: Finished = onTestFinished,
) {
  const folder = given ?? temporaryFolder(finished)
  const configPath = join(folder, 'config.json')
  writeFileSync(configPath, JSON.stringify(config))

  const liveConfig = await LiveConfig.open(configPath)
  const metrics = new Metrics()
  const { store, location } = await openLogIn(folder)
  const readModels = await ReadModels.start({ location, folder: join(folder, 'projections') })
  // Between the app and the log, which can be taken away from it.
  const gate = new GatedStore(store)
  const pauses = new Pauses()
  const spooling =
    spool === undefined
      ? null
      : new SpoolingStore(gate, {
          path: join(folder, 'spool.sqlite'),
          ...spool,
          pause: pauses.pause,
          onAway: () => {},
          onBack: () => {},
          onSetAside: () => {},
        })
  const inspector = new Inspector()
  const app = await buildApp({
    intake: spooling ?? gate,
    log: gate,
    readModels,
    inspector,
    config: liveConfig,
    clock,
    metrics,
    logger: logger ?? false,
  })

  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    await app.close()
    await inspector.close()
    await readModels.close()
    await spooling?.close()
    await store.close()
    liveConfig.close()
  }
  finished(close)

  /** Sends a body as Postscript does: an object as JSON, text and bytes as they are. */
  const post = (
    body: JsonObject | string | Uint8Array,
    headers: NodeJS.Dict<string> = { 'postscript-signature': TOKEN },
  ) => app.inject({ method: 'POST', url: '/webhooks/postscript', headers, payload: payloadOf(body) })
  /** A delivery that must be kept. */
  const record = async (...sent: Parameters<typeof post>) => {
    const answer = await post(...sent)
    if (answer.statusCode !== 200) throw new Error(`refused: ${answer.statusCode} ${answer.body}`)
    const { revision, position, ...recorded } = Recorded.parse(answer.json())
    return { ...recorded, revision: revision ?? -1, position: position ?? '' }
  }
  const get = (url: string, secret: string | null = READER) =>
    app.inject({ url, headers: secret === null ? {} : { authorization: `Bearer ${secret}` } })
  /** Below the shop's address, by a key that may read. */
  const read = (path: string, shop = SHOP) => get(`/v1/shops/${shop}${path}`)

  const outage = {
    begin: () => {
      gate.weather = 'away'
    },
    /** Resolves when all that was spooled meanwhile is in the log. */
    end: async () => {
      gate.weather = 'there'
      await until(() => {
        pauses.elapse()
        return spooling?.state().spooling !== true
      })
    },
  }

  /** Listens at a port that is free, for what cannot be injected. */
  const listen = async (): Promise<number> => {
    if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' })
    const address = app.server.address()
    if (address === null || typeof address === 'string') throw new Error('listens at no port')
    return address.port
  }

  return {
    app,
    store,
    gate,
    outage,
    readModels,
    config: liveConfig,
    configPath,
    folder,
    close,
    post,
    record,
    get,
    read,
    listen,
  }
}

/** The embedded log; or, where the environment names a server for tests, a log of the folder's own on that. */
export async function openLogIn(folder: string): Promise<{ store: EventStore; location: LogLocation }> {
  const url = process.env['EVENTSTOREDB_TEST_URL']
  const writer = 'folder-1'
  if (url === undefined) {
    const path = join(folder, 'log.sqlite')
    return { store: await openEmbedded(path, { writer }), location: { engine: 'sqlite', path } }
  }
  const namespace = `${basename(folder)}.`
  const store = await openEventStoreDb({
    url,
    namespace,
    writer,
    clock: systemClock(),
    expectedId: null,
  })
  await store.id()
  return { store, location: { engine: 'eventstoredb', url, namespace } }
}

function payloadOf(body: JsonObject | string | Uint8Array): NonNullable<InjectOptions['payload']> {
  if (typeof body === 'string') return body
  return body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body)
}
