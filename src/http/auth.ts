import type { ApiKeyConfig, LiveConfig } from '../config.ts'
import { sha256 } from '../ledger/event.ts'
import { Refusal } from './problems.ts'

export type Scope = ApiKeyConfig['scopes'][number]

/** The API keys that are good now. */
export class ApiKeys {
  #keys: ReadonlyMap<string, ApiKeyConfig> = new Map()

  constructor(config: LiveConfig) {
    config.use(({ apiKeys }) => {
      this.#keys = new Map(apiKeys.map((key) => [key.sha256, key]))
    })
  }

  /** The key in an `Authorization` header, where it has one of `scopes`. Throws a `Refusal` otherwise. */
  require(authorization: string | undefined, ...scopes: readonly Scope[]): ApiKeyConfig {
    const [, secret] = /^Bearer +([!-~]+)$/i.exec(authorization ?? '') ?? []
    if (secret === undefined) throw new Refusal('unauthorized', 'send Authorization: Bearer <key>')
    // Looked up by its digest, so how long it takes tells nothing of a key.
    const key = this.#keys.get(sha256(secret))
    if (key === undefined) throw new Refusal('unauthorized', 'there is no such key')
    if (!scopes.some((scope) => key.scopes.includes(scope)))
      throw new Refusal('forbidden', `the key lacks the scope ${scopes.join(' or ')}`)
    return key
  }
}

/** Throws a `Refusal` where `key` is not for the shop. */
export function requireShop({ shops }: ApiKeyConfig, shopId: string): void {
  if (!shops.includes('*') && !shops.includes(shopId))
    throw new Refusal('forbidden', 'the key is not for this shop')
}

/** Throws a `Refusal` where `key` is not for every shop. */
export function requireAllShops({ shops }: ApiKeyConfig): void {
  if (!shops.includes('*')) throw new Refusal('forbidden', 'the key is not for every shop')
}
