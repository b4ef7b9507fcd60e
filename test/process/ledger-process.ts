import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { SHOP } from '../ledger/deliveries.ts'

export const LEDGER = fileURLToPath(new URL('../../bin/ledger.js', import.meta.url))
export const TOKEN = 'token-of-the-account'
export const KEY = 'lk_of_the_process_tests'

/** Makes `folder` one that has been started before, with secrets that tests know. */
export function configure(folder: string, shop = SHOP): void {
  const sha256 = createHash('sha256').update(KEY).digest('hex')
  const config = {
    shops: [{ id: shop, signingTokens: [TOKEN] }],
    apiKeys: [{ name: 'tests', sha256, scopes: ['read', 'operate'], shops: ['*'] }],
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
}

/** How a test that runs beside others says that it is finished: `onTestFinished` of its own context. */
export type Finished = (close: () => Promise<void>) => void

export interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

/** The real thing in a process of its own; killed, if need be, when the test is finished. */
export class LedgerProcess {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  out = ''
  err = ''
  #url = ''
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })

  constructor(child: ChildProcess, finished: Finished = onTestFinished) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text
    })
    this.exited = once(child, 'close').then(([code]) => code)
    finished(async () => {
      this.#agent.destroy()
      child.kill('SIGKILL')
      await this.exited
    })
  }

  /** Starts on `folder`; resolves when it listens. */
  static async start(folder: string, finished?: Finished): Promise<LedgerProcess> {
    return LedgerProcess.run(folder, {}, finished).listening()
  }

  /** Starts on `folder`, and leaves it to the caller what is waited for. */
  static run(folder: string, env: NodeJS.ProcessEnv = {}, finished?: Finished): LedgerProcess {
    const child = spawn(process.execPath, [LEDGER, 'start'], { env: environment(folder, env), stdio: 'pipe' })
    return new LedgerProcess(child, finished)
  }

  /** Rejects where it ends instead. */
  async listening(): Promise<this> {
    const { promise: heard, resolve } = Promise.withResolvers<void>()
    const look = () => {
      const [, url = ''] = /Server listening at (http:[^"]+)"/.exec(this.out) ?? []
      this.#url = url
      if (url !== '') resolve()
    }
    this.child.stdout?.on('data', look)
    look()
    await Promise.race([heard, this.exited])
    this.child.stdout?.off('data', look)
    if (this.#url === '') throw new Error(`it ended: ${this.err}`)
    return this
  }

  get url(): string {
    return this.#url
  }

  /** Rejects where there is no answer. */
  post(body: object): Promise<Answer> {
    return this.#ask('POST', '/webhooks/postscript', { 'postscript-signature': TOKEN }, JSON.stringify(body))
  }

  get(path: string): Promise<Answer> {
    return this.ask('GET', path)
  }

  /** By a key that may do everything. */
  ask(method: string, path: string): Promise<Answer> {
    return this.#ask(method, path, { authorization: `Bearer ${KEY}` }, '')
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal)
    return this.exited
  }

  async #ask(method: string, path: string, headers: NodeJS.Dict<string>, body: string): Promise<Answer> {
    const asked = request(`${this.#url}${path}`, { method, headers, agent: this.#agent })
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    asked.on('error', reject)
    asked.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.on('error', reject)
      response.on('close', () => {
        if (!response.complete) reject(new Error('the answer was cut'))
        const { statusCode = 0, headers: told } = response
        resolve({ status: statusCode, retryAfter: told['retry-after'], body: text })
      })
    })
    asked.end(body)
    return promise
  }
}

export function environment(folder: string, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, NODE_OPTIONS: _, ...rest } = process.env
  const own = Object.fromEntries(
    Object.entries(rest).filter(
      ([name]) => !/^(HOST|PORT|LEDGER_|EVENTSTORE|POSTSCRIPT_|LOG_LEVEL)/.test(name),
    ),
  )
  return { ...own, PATH, PORT: '0', LEDGER_DATA: folder, ...env }
}
