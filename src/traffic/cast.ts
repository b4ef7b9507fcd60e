import { fingerprint, hex, scramble } from './chance.ts'

/** A shop of the story, with the token that Postscript would sign its deliveries with. */
export interface StoryShop {
  readonly id: string
  readonly signingToken: string
}

export interface Subscriber {
  readonly index: number
  /** The shop's place in the list of shops. */
  readonly shop: number
  readonly id: string
  /** From before identifiers had prefixes: `id` is digits only. */
  readonly isOldId: boolean
  readonly phone: string
  readonly email: string
  readonly shopifyCustomerId: number | string | null
}

/** Beyond it, phone numbers would come round again. */
export const MOST_SUBSCRIBERS = 10_000_000

const FIRST_NAMES = [
  'ada',
  'ben',
  'chloe',
  'dev',
  'elif',
  'femi',
  'grace',
  'hugo',
  'ines',
  'jonas',
  'kim',
] as const

/**
 * Everybody in a story. Each person follows from seed and index alone, so that nobody has to be kept in memory.
 * All of them are fictional: there is no area code 555, and example.com takes no mail.
 */
export class Cast {
  readonly #salt: number
  readonly #shopEnds: readonly number[]

  constructor(seed: string, shops: number) {
    this.#salt = fingerprint(seed, 0x5ca57)
    // The first shop is the largest, as in any list of shops: sizes fall as 1, 1/2, 1/3, …
    const sizes = Array.from({ length: shops }, (_, place) => 1 / (place + 1))
    const whole = sizes.reduce((sum, size) => sum + size, 0)
    let end = 0
    this.#shopEnds = sizes.map((size) => {
      end += size / whole
      return end
    })
  }

  subscriber(index: number): Subscriber {
    const trait = scramble(index, this.#salt)
    const isOldId = trait % 100 < 4
    return {
      index,
      shop: this.shopOf(index),
      id: isOldId
        ? String(10_000_000 + index)
        : `s_${hex(scramble(index, this.#salt ^ 0x1d))}${hex(trait).slice(5)}`,
      isOldId,
      phone: this.#phone(index, trait),
      email: `${FIRST_NAMES[trait % FIRST_NAMES.length] ?? 'lee'}.${index}@example.com`,
      shopifyCustomerId: shopifyCustomerId(index, trait),
    }
  }

  shopOf(index: number): number {
    const share = scramble(index, this.#salt ^ 0x5109) / 4294967296
    const place = this.#shopEnds.findIndex((end) => share < end)
    return place === -1 ? 0 : place
  }

  #phone(index: number, trait: number): string {
    // Some have their neighbour's number: a number that changed hands, or one person in two shops.
    const owner = index > 0 && trait % 1000 >= 970 ? index - 1 : index
    // One to one up to ten million, since 7,654,321 has no factor in common with it.
    const number = (owner * 7_654_321 + (this.#salt % MOST_SUBSCRIBERS)) % MOST_SUBSCRIBERS
    return `+1555${number.toString().padStart(7, '0')}`
  }
}

function shopifyCustomerId(index: number, trait: number): number | string | null {
  const number = 6_400_000_000_000 + index * 33_791
  switch ((trait >>> 8) % 4) {
    case 0:
      return number
    case 1:
      return String(number)
    default:
      return null
  }
}
