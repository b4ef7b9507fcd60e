import type { StoryShop } from './cast.ts'
import { Chance, hex } from './chance.ts'
import type { Happening } from './lives.ts'
import type { NaiveTime } from './naive-time.ts'
import type { Json, JsonObject } from './payloads.ts'

/** One POST of a plan. */
export interface PlannedDelivery {
  /** Virtual milliseconds since the story's start; whole, and never less than those of the delivery before. */
  readonly dueMs: number
  /** The shop whose token signs it; the body may name another one, or none. */
  readonly shopId: string
  readonly signingToken: string
  /** The exact JSON text to send. */
  readonly body: string
  /** What a ledger that has seen all deliveries before this one, and nothing else, should answer. */
  readonly expect: 'recorded' | 'duplicate'
}

const RETRY_EVERY = 5 * 60_000
const GIVES_UP_AFTER = 60 * 60_000

/** How Postscript delivers: soon as a rule, late after failures, the same thing twice now and then. */
export class Mailing {
  readonly #seed: string
  readonly #shops: readonly StoryShop[]
  readonly #chance: Chance
  readonly #time: NaiveTime
  readonly #webhookIds = new Map<string, string>()

  constructor(seed: string, shops: readonly StoryShop[], time: NaiveTime) {
    this.#seed = seed
    this.#shops = shops
    this.#chance = new Chance(`${seed} mailing`)
    this.#time = time
  }

  /** All deliveries of one event, the first one first: none later than an hour after the event. */
  deliveries(happening: Happening): PlannedDelivery[] {
    const chance = this.#chance
    const shop = this.#shops[happening.shop]
    if (shop === undefined) return []
    const happenedMs = Math.floor(happening.at / 1000)
    const lastMs = happenedMs + GIVES_UP_AFTER
    const failures = chance.happens(0.03) ? 1 + Math.floor(12 * chance.share() ** 2) : 0
    const soonMs = happenedMs + 40 + Math.floor(chance.wait(250))
    const firstMs = Math.min(soonMs + failures * RETRY_EVERY, lastMs)

    const first = this.#envelope(happening, 0)
    const deliver = (dueMs: number, body: string, expect: PlannedDelivery['expect']) => {
      return {
        dueMs: Math.min(dueMs, lastMs),
        shopId: shop.id,
        signingToken: shop.signingToken,
        body,
        expect,
      }
    }
    const body = JSON.stringify(first)
    const all = [deliver(firstMs, body, 'recorded')]
    if (chance.happens(0.045)) {
      for (let copies = chance.happens(0.15) ? 2 : 1; copies > 0; copies--) {
        const again = firstMs + RETRY_EVERY * (1 + chance.below(3))
        const kind = chance.share()
        if (kind < 0.45) all.push(deliver(again, body, 'duplicate'))
        else if (kind < 0.7) {
          // Two webhook subscriptions for one event: both tell of it at once.
          const twin = JSON.stringify(this.#envelope(happening, 1))
          all.push(deliver(firstMs + chance.below(2000), twin, 'duplicate'))
        } else {
          const twin = this.#envelope(happening, chance.below(2))
          all.push(deliver(again, reworded(chance, twin), 'duplicate'))
        }
      }
    }
    return all
  }

  #envelope(happening: Happening, subscription: number): JsonObject {
    const { resourceId, event } = happening
    return {
      webhook_id: this.#webhookId(happening.shop, event ?? '', subscription),
      resource_type: 'shop',
      ...(resourceId === null ? {} : { resource_id: resourceId }),
      event_time: this.#time.text(happening.at),
      ...(event === null ? {} : { event }),
      event_data: happening.data,
    }
  }

  /** Names the webhook subscription, not the delivery: one for each shop and event, for as long as the story lasts. */
  #webhookId(shop: number, event: string, subscription: number): string {
    const key = `${shop} ${event} ${subscription}`
    const known = this.#webhookIds.get(key)
    if (known !== undefined) return known
    const chance = new Chance(`${this.#seed} webhook ${key}`)
    const digits = hex(chance.word()) + hex(chance.word()) + hex(chance.word()) + hex(chance.word())
    const variant = chance.pick(['8', '9', 'a', 'b'])
    const id = `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20)}`
    this.#webhookIds.set(key, id)
    return id
  }
}

/** The same information in other bytes, as another serialiser would put it. */
function reworded(chance: Chance, value: JsonObject): string {
  switch (chance.below(4)) {
    case 0:
      return JSON.stringify(value, null, 2)
    case 1:
      return JSON.stringify(backwards(value))
    case 2:
      // As Python does it: a blank after each separator, nothing but ASCII.
      return JSON.stringify(value, null, 1)
        .replace(/\n\s*/g, ' ')
        .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    default:
      return `${JSON.stringify(backwards(value), null, '\t')}\r\n`
  }
}

function backwards(value: JsonObject): JsonObject {
  const entries = Object.entries(value).reverse()
  return Object.fromEntries(
    entries.map(([name, inner]): [string, Json] => [name, isObject(inner) ? backwards(inner) : inner]),
  )
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
