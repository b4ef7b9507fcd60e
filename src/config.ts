import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CountryCode } from 'libphonenumber-js'
import phoneMetadata from 'libphonenumber-js/min/metadata'
import { IANAZone } from 'luxon'
import * as z from 'zod'
import { urlMistake } from './event-store/eventstoredb/url.ts'
import { ID } from './ledger/event.ts'

/** A mistake in environment or config file: one line that names it, and quotes no value, which may be a secret. */
export class ConfigMistake extends Error {
  override name = 'ConfigMistake'
  readonly code = 'config-mistake'
}

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port number, 0 to 65535')
  .transform(Number)
  .refine((value) => value <= 65_535, 'must be a port number, 0 to 65535')

/** Less holds hardly more than one large delivery. */
const LEAST_SPOOL_BYTES = 1024 ** 2

const Environment = z.object({
  HOST: z.string().min(1, 'must not be empty').default('127.0.0.1'),
  PORT: port.default(3000),
  LEDGER_DATA: z.string().min(1, 'must not be empty').default('./data'),
  LEDGER_CONFIG: z.string().min(1, 'must not be empty').optional(),
  EVENTSTOREDB_URL: z
    .string()
    .superRefine((url, context) => {
      const mistake = urlMistake(url)
      if (mistake !== null) context.addIssue({ code: 'custom', message: mistake })
    })
    .optional(),
  LEDGER_SPOOL_BYTES: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a number of bytes')
    .transform(Number)
    .refine((bytes) => bytes >= LEAST_SPOOL_BYTES, 'must be at least 1048576')
    .default(10 * 1024 ** 3),
  POSTSCRIPT_API_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http(s) address' })
    .default('https://api.postscript.io'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be one of fatal, error, warn, info, debug, trace, silent',
    })
    .default('info'),
})

export interface Settings {
  readonly host: string
  readonly port: number
  readonly dataFolder: string
  readonly configPath: string
  /** Null: the embedded log. */
  readonly eventStoreDbUrl: string | null
  /** What may wait in the spool while EventStoreDB is away, in bytes on the disk. */
  readonly spoolBytes: number
  readonly postscriptApiUrl: string
  readonly logLevel: z.infer<typeof Environment>['LOG_LEVEL']
}

/** Reads the settings from an environment. Throws `ConfigMistake`. */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const parsed = Environment.safeParse(environment)
  if (!parsed.success) throw new ConfigMistake(firstMistake(parsed.error))
  const {
    HOST,
    PORT,
    LEDGER_DATA,
    LEDGER_CONFIG,
    EVENTSTOREDB_URL,
    LEDGER_SPOOL_BYTES,
    POSTSCRIPT_API_URL,
    LOG_LEVEL,
  } = parsed.data
  return {
    host: HOST,
    port: PORT,
    dataFolder: LEDGER_DATA,
    configPath: LEDGER_CONFIG ?? join(LEDGER_DATA, 'config.json'),
    eventStoreDbUrl: EVENTSTOREDB_URL ?? null,
    spoolBytes: LEDGER_SPOOL_BYTES,
    postscriptApiUrl: POSTSCRIPT_API_URL,
    logLevel: LOG_LEVEL,
  }
}

const id = z.string().regex(ID, 'must be 1 to 64 letters, digits, - or _')
const headerText = z.string().regex(/^[!-~]{8,512}$/, 'must be 8 to 512 visible ASCII characters')

const Shop = z.strictObject({
  id,
  /** Several while a token is rotated; a token may be shared by the shops of one account. */
  signingTokens: z.array(headerText).min(1, 'must hold at least one token'),
  timeZone: z
    .string()
    .refine((zone) => IANAZone.isValidZone(zone), 'is no IANA time zone')
    .default('UTC'),
  /** ISO 3166-1 alpha-2: how a phone number without a country code is read. */
  region: z.string().refine(isRegion, 'is no ISO 3166 country code').default('US'),
  apiToken: headerText.optional(),
})

// The library's own list, without the library: loading that would take a tenth of a start.
function isRegion(text: string): text is CountryCode {
  return Object.hasOwn(phoneMetadata.countries, text)
}

const ApiKey = z.strictObject({
  name: z.string().min(1, 'must not be empty'),
  /** Of the key: the file does not hold the key itself. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits: the SHA-256 of the key'),
  scopes: z.array(z.enum(['read', 'operate'])).min(1, 'must hold read, operate or both'),
  shops: z.array(z.union([z.literal('*'), id])).min(1, 'must hold shop ids, or "*" for all'),
})

const ConfigFile = z
  .strictObject({
    shops: z.array(Shop).min(1, 'must hold at least one shop'),
    apiKeys: z.array(ApiKey).default([]),
  })
  .superRefine(({ shops, apiKeys }, context) => {
    refuseTwins(shops, 'id', 'shops', context)
    refuseTwins(apiKeys, 'sha256', 'apiKeys', context)
  })

export type Config = Readonly<z.infer<typeof ConfigFile>>
export type ShopConfig = Config['shops'][number]
export type ApiKeyConfig = Config['apiKeys'][number]

/** Reads a config file. Throws `ConfigMistake`, naming the file and the field. */
export async function readConfig(path: string): Promise<Config> {
  return parseConfig(path, await readText(path))
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ConfigMistake(
      `${path}: ${error.code === 'ENOENT' ? 'there is no such file' : `cannot be read (${error.code})`}`,
    )
  })
}

function parseConfig(path: string, text: string): Config {
  const parsed = ConfigFile.safeParse(parseJson(path, text))
  if (!parsed.success) throw new ConfigMistake(`${path}: ${firstMistake(parsed.error)}`)
  return parsed.data
}

/** How often the file is looked at, in milliseconds: a change is in force within a second. */
const LOOK_EVERY_MS = 200

/** The config in force: the file's last state that was without mistakes. */
export class LiveConfig {
  readonly #path: string
  readonly #listeners: ((config: Config) => void)[] = []
  /** As last read, null where it could not be. */
  #text: string | null
  #current: Config
  #timer: NodeJS.Timeout | null = null

  /** Reads the file. Rejects with `ConfigMistake`. */
  static async open(path: string): Promise<LiveConfig> {
    const text = await readText(path)
    return new LiveConfig(path, text, parseConfig(path, text))
  }

  private constructor(path: string, text: string, config: Config) {
    this.#path = path
    this.#text = text
    this.#current = config
  }

  get current(): Config {
    return this.#current
  }

  /** Calls `listener` now, and whenever the config has changed. */
  use(listener: (config: Config) => void): void {
    this.#listeners.push(listener)
    listener(this.#current)
  }

  /** Follows the file until `close`; `onReload` is told of each try, with the mistake that made it change nothing. */
  watch(onReload: (mistake: ConfigMistake | null) => void): void {
    // By reading it: the system's notices get lost on mounted folders and where a file is replaced, and its time does
    // not tell what was written while, or just after, it was read.
    this.#timer = setInterval(() => this.#look(onReload), LOOK_EVERY_MS)
    this.#timer.unref()
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async #look(onReload: (mistake: ConfigMistake | null) => void): Promise<void> {
    let mistake: ConfigMistake | null = null
    let text: string | null = null
    try {
      text = await readText(this.#path)
      if (text === this.#text || this.#timer === null) return
      this.#current = parseConfig(this.#path, text)
      for (const listener of this.#listeners) listener(this.#current)
    } catch (error) {
      if (!(error instanceof ConfigMistake)) throw error
      if ((text === null && this.#text === null) || this.#timer === null) return
      mistake = error
    }
    this.#text = text
    onReload(mistake)
  }
}

function refuseTwins<Key extends string>(
  items: readonly { readonly [name in Key]: string }[],
  key: Key,
  list: string,
  context: z.RefinementCtx,
): void {
  const seen = new Set<string>()
  items.forEach((item, index) => {
    if (seen.has(item[key]))
      context.addIssue({ code: 'custom', path: [list, index, key], message: 'stands there twice' })
    seen.add(item[key])
  })
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text around the mistake, and there are tokens in it.
    throw new ConfigMistake(`${path}: is not JSON`)
  }
}

function firstMistake(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue === undefined) return 'is not what it should be'
  return issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`
}
