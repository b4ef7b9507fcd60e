import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Worker } from 'node:worker_threads'
import type { FastifyInstance } from 'fastify'
import { type Logger, pino } from 'pino'
import { buildApp } from './app.ts'
import { type Clock, systemClock } from './clock.ts'
import { ConfigMistake, LiveConfig, readSettings, type Settings } from './config.ts'
import { DataFolder } from './data-folder.ts'
import { type FirstSecrets, firstStartText, writeFirstConfig } from './first-start.ts'
import { Metrics } from './http/metrics.ts'
import { type Keeping, keepInEmbeddedLog, keepInEventStoreDb } from './keeping.ts'
import { Inspector } from './projecting/inspector.ts'
import { ReadModels } from './projecting/read-models.ts'

/** The threads that the ledger works with, started ahead. */
export interface Threads {
  /** Left out where the log is an EventStoreDB. */
  readonly writer?: Worker
  readonly projector: Worker
}

/** Runs the ledger as `environment` says, until SIGINT or SIGTERM; resolves when it listens. */
export async function serve(environment: NodeJS.ProcessEnv, threads: Threads): Promise<void> {
  const settings = readSettings(environment)
  const clock = systemClock()
  const logger = pino({ level: settings.logLevel })
  const closing: (() => void | Promise<void>)[] = []
  const closeAll = async () => {
    for (const close of closing.splice(0).reverse()) await close()
  }
  let secrets: FirstSecrets | null = null
  try {
    const folder = await DataFolder.open(settings.dataFolder, clock())
    closing.push(() => folder.close())
    secrets = firstConfig(settings, folder)
    const config = await LiveConfig.open(settings.configPath)
    config.watch((mistake) => {
      if (mistake === null) logger.info('the config was read again')
      else logger.error({ mistake: mistake.message }, 'the config has a mistake and changes nothing')
    })
    closing.push(() => config.close())

    const metrics = new Metrics()
    const { intake, log, location, close } = await keep({ settings, folder, clock, metrics, logger }, threads)
    closing.push(close)
    const data = { location, folder: folder.projectionsPath }
    const readModels = await ReadModels.start(data, threads.projector, logger)
    closing.push(() => readModels.close())
    const inspector = new Inspector()
    closing.push(() => inspector.close())
    const app = await buildApp({ intake, log, readModels, inspector, config, clock, metrics, logger })
    closing.push(() => app.close())

    // Before it listens: who hears that it does may send a signal at once.
    stopOnSignal(closeAll)
    const { port } = await listen(app, settings)
    const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
    if (secrets !== null) console.log(firstStartText(`http://${host}:${port}`, settings.configPath, secrets))
  } catch (error) {
    // The config stays, and the next start is not the first: its secrets have to be shown now.
    if (secrets !== null)
      console.log(firstStartText(`http://${settings.host}:${settings.port}`, settings.configPath, secrets))
    await closeAll()
    throw error
  }
}

interface KeepingParts {
  readonly settings: Settings
  readonly folder: DataFolder
  readonly clock: Clock
  readonly metrics: Metrics
  readonly logger: Logger
}

function keep(
  { settings, folder, clock, metrics, logger }: KeepingParts,
  { writer }: Threads,
): Promise<Keeping> {
  const { eventStoreDbUrl: url, spoolBytes } = settings
  if (url === null) return keepInEmbeddedLog(folder, (size) => metrics.committed(size), writer)
  return keepInEventStoreDb(folder, url, spoolBytes, clock, logger)
}

function firstConfig(settings: Settings, folder: DataFolder): FirstSecrets | null {
  if (existsSync(settings.configPath)) return null
  // A log without a config is no first start: new secrets would only hide that the file was lost or is elsewhere.
  if (folder.log !== null || existsSync(folder.logPath))
    throw new ConfigMistake(`${settings.configPath}: there is no such file, and the data folder is not new`)
  return writeFirstConfig(settings.configPath)
}

async function listen(app: FastifyInstance, { host, port }: Settings): Promise<AddressInfo> {
  await app.listen({ host, port })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('listens at no port')
  return address
}

function stopOnSignal(closeAll: () => Promise<void>): void {
  let stopping = false
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      // A second signal is from somebody who does not want to wait.
      if (stopping) process.exit(1)
      stopping = true
      closeAll().catch((error) => {
        console.error(error)
        process.exit(1)
      })
    })
}
