import { existsSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { Command } from 'commander'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { systemClock } from '../clock.ts'
import { ConfigMistake, LiveConfig, readSettings, type Settings } from '../config.ts'
import { DataFolder } from '../data-folder.ts'
import { type LogLocation, openStore, storeThread } from '../event-store/open.ts'
import { type FirstSecrets, firstStartText, writeFirstConfig } from '../first-start.ts'
import { Metrics } from '../http/metrics.ts'
import { ReadModels } from '../projecting/read-models.ts'

/** `ledger start`: the ledger itself, until SIGINT or SIGTERM. */
export function startCommand(): Command {
  return new Command('start').description('run the ledger').action(async (_options, command: Command) => {
    try {
      await start(readSettings(process.env))
    } catch (error) {
      if (isMistake(error)) command.error(`error: ${error.message}`)
      throw error
    }
  })
}

const MISTAKES = new Set<unknown>([
  'config-mistake',
  'data-folder-in-use',
  'data-folder-unusable',
  'database-unusable',
  'projection-of-another-log',
])
const ASKED_BY_A_SETTING = new Set<unknown>(['listen', 'getaddrinfo', 'open'])

// What the person who starts it can put right is said in one line; anything else is a fault, and has a stack. By code,
// not by class: an error that comes from another thread has lost its class.
function isMistake(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return (
    ('code' in error && MISTAKES.has(error.code)) ||
    ('syscall' in error && ASKED_BY_A_SETTING.has(error.syscall))
  )
}

async function start(settings: Settings): Promise<void> {
  const clock = systemClock()
  const logger = pino({ level: settings.logLevel })
  const closing: (() => void | Promise<void>)[] = []
  const closeAll = async () => {
    for (const close of closing.splice(0).reverse()) await close()
  }
  // Threads take longest to start, so they start first, beside what this one has to load.
  const threads = { store: storeThread(), projector: ReadModels.thread() }
  for (const thread of Object.values(threads)) closing.push(() => void thread.terminate())
  const appModule = import('../app.ts')
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
    const location: LogLocation = { engine: 'sqlite', path: folder.logPath }
    const store = await openStore(location, {
      writer: folder.writer,
      onBatch: (size) => metrics.committed(size),
    })
    closing.push(() => store.close())
    const readModels = await ReadModels.start({ location, folder: folder.projectionsPath })
    closing.push(() => readModels.close())
    const { buildApp } = await appModule
    const app = await buildApp({ store, readModels, config, clock, metrics, logger })
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

function firstConfig(settings: Settings, folder: DataFolder): FirstSecrets | null {
  if (existsSync(settings.configPath)) return null
  // A log without a config is no first start: new secrets would only hide that the file was lost or is elsewhere.
  if (existsSync(folder.logPath))
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
