import type { Cast, StoryShop, Subscriber } from './cast.ts'
import { type Chance, hex, scramble } from './chance.ts'
import type { NaiveTime } from './naive-time.ts'
import { emailCollected, type JsonObject, lifecycle, message, unheardOf } from './payloads.ts'
import { stray } from './strays.ts'
import {
  CHAT,
  CONFIRMATIONS,
  FALSE_ALARMS,
  KEYWORDS,
  LATER_THOUGHTS,
  OPT_OUT_KEYWORDS,
  REVOCATIONS,
  UNKNOWN_EVENTS,
} from './wording.ts'

/** Something that happened, before anybody is told of it. */
export interface Happening {
  /** Microseconds since the story's start. */
  readonly at: number
  /** The shop's place in the list of shops. */
  readonly shop: number
  /** Null: the envelope names no resource. */
  readonly resourceId: string | null
  /** Null: the envelope names no event. */
  readonly event: string | null
  readonly data: JsonObject
}

export interface Episode {
  /** Microseconds since the story's start: not before the moment asked for. */
  readonly startedAt: number
  /** In the order in which they happened. */
  readonly happenings: readonly Happening[]
}

const STRANGER = 0
const SUBSCRIBED = 1
const UNSUBSCRIBED = 2

const SECOND = 1_000_000
const MINUTE = 60 * SECOND

/**
 * What becomes of everybody, episode by episode. Within one subscriber's life, and among what a shop has to say for
 * itself, no two events share an instant: that is what makes two events that are not the same tell apart.
 */
export class Lives {
  readonly #cast: Cast
  readonly #shops: readonly StoryShop[]
  readonly #chance: Chance
  readonly #time: NaiveTime
  readonly #status: Uint8Array
  readonly #freeFrom: Float64Array
  readonly #shopFreeFrom: Float64Array
  #known = 0
  #messages = 0
  #moment = 0
  #told: Happening[] = []

  constructor(cast: Cast, shops: readonly StoryShop[], subscribers: number, chance: Chance, time: NaiveTime) {
    this.#cast = cast
    this.#shops = shops
    this.#chance = chance
    this.#time = time
    this.#status = new Uint8Array(subscribers)
    this.#freeFrom = new Float64Array(subscribers)
    this.#shopFreeFrom = new Float64Array(shops.length)
  }

  /**
   * What happens next to one subscriber, or at one shop, from `clock` (microseconds) on. It starts later where the
   * subscriber is in the middle of the episode before.
   */
  episode(clock: number): Episode {
    this.#told = []
    const startedAt =
      this.#known > 0 && this.#chance.happens(0.012)
        ? this.#atShop(clock)
        : this.#inLife(this.#someone(clock), clock)
    return { startedAt, happenings: this.#told }
  }

  #someone(clock: number): number {
    const comesNew = this.#known < this.#status.length
    if (this.#known === 0 || (comesNew && this.#chance.happens(0.35))) return this.#known++
    let index = this.#chance.below(this.#known)
    for (let tries = 0; tries < 3 && this.#isFreeFrom(index) > clock; tries++) {
      const other = this.#chance.below(this.#known)
      if (this.#isFreeFrom(other) < this.#isFreeFrom(index)) index = other
    }
    // Nobody changes their mind every second: while those who are known are busy, others come.
    return comesNew && this.#isFreeFrom(index) > clock ? this.#known++ : index
  }

  #isFreeFrom(index: number): number {
    return this.#freeFrom[index] ?? 0
  }

  #inLife(index: number, clock: number): number {
    const who = this.#cast.subscriber(index)
    const startedAt = Math.max(clock, this.#isFreeFrom(index) + 1)
    this.#moment = startedAt
    switch (this.#status[index]) {
      case STRANGER:
        this.#joins(who)
        break
      case SUBSCRIBED:
        this.#subscribed(who)
        break
      default:
        this.#unsubscribed(who)
    }
    this.#freeFrom[index] = this.#moment + Math.floor(this.#chance.wait(4 * MINUTE))
    return startedAt
  }

  #joins(who: Subscriber): void {
    const chance = this.#chance
    if (chance.happens(0.4)) {
      // Keyword replies may not surface as messages.
      if (chance.happens(0.25)) this.#texts(who, chance.pick(KEYWORDS))
      this.#optsIn(who, 'keyword')
      return
    }
    if (chance.happens(0.6)) this.#leavesEmail(who, chance.happens(0.4))
    this.#wait(20 * SECOND, 4 * MINUTE)
    if (chance.happens(0.5)) this.#texts(who, chance.pick(CONFIRMATIONS))
    this.#optsIn(who, 'confirmation_reply')
  }

  #subscribed(who: Subscriber): void {
    const chance = this.#chance
    const fate = chance.share()
    if (fate < 0.74) this.#chats(who)
    else if (fate < 0.86) this.#stops(who)
    else if (fate < 0.9) this.#revokes(who)
    else if (fate < 0.95) this.#leavesEmail(who, chance.happens(0.8))
    else if (fate < 0.97) this.#happensTo(who, chance.pick(UNKNOWN_EVENTS))
    else if (fate < 0.98) this.#texts(who, chance.pick(FALSE_ALARMS))
    else this.#optsIn(who, 'keyword')
  }

  #unsubscribed(who: Subscriber): void {
    const chance = this.#chance
    const fate = chance.share()
    if (fate < 0.45) {
      if (chance.happens(0.3)) this.#texts(who, chance.pick(LATER_THOUGHTS))
      this.#optsIn(who, chance.happens(0.6) ? 'keyword' : 'confirmation_reply')
    } else if (fate < 0.75) this.#chats(who)
    else if (fate < 0.9) this.#stops(who)
    else this.#leavesEmail(who, true)
  }

  #chats(who: Subscriber): void {
    for (let left = 1 + this.#chance.below(4); left > 0; left--) {
      this.#texts(who, this.#chance.pick(CHAT))
      this.#wait(5 * SECOND, 3 * MINUTE)
    }
  }

  #stops(who: Subscriber): void {
    const told = this.#chance.share()
    if (told < 0.85) this.#texts(who, this.#chance.pick(OPT_OUT_KEYWORDS), true)
    if (told >= 0.15) this.#optsOut(who, told < 0.85 ? 'keyword' : 'compliance_api')
    this.#status[who.index] = UNSUBSCRIBED
  }

  #revokes(who: Subscriber): void {
    this.#texts(who, this.#chance.pick(REVOCATIONS))
    // Only sometimes does somebody at the shop read it and do as they were asked.
    if (this.#chance.happens(0.6)) return
    this.#wait(2 * MINUTE, 40 * MINUTE)
    this.#optsOut(who, 'agent')
  }

  #optsIn(who: Subscriber, means: string): void {
    this.#wait(0.2 * SECOND, 2 * SECOND)
    this.#changes(who, 'shop.subscriber.opt_in', means)
    this.#status[who.index] = SUBSCRIBED
  }

  #optsOut(who: Subscriber, means: string): void {
    this.#wait(0.05 * SECOND, 1.5 * SECOND)
    this.#changes(who, 'shop.subscriber.opt_out', means)
    this.#status[who.index] = UNSUBSCRIBED
  }

  #changes(who: Subscriber, event: string, means: string): void {
    const at = this.#time.text(this.#moment)
    this.#tell(who, event, (shopId) => lifecycle(this.#chance, who, shopId, { at, means }))
  }

  #texts(who: Subscriber, body: string, isOptOut = false): void {
    this.#wait(0, SECOND)
    const sent = { id: this.#messageId(), at: this.#time.text(this.#moment), body, isOptOut }
    this.#tell(who, 'shop.incoming_message', (shopId) => message(who, shopId, sent))
  }

  #leavesEmail(who: Subscriber, isSubscriber: boolean): void {
    this.#wait(0, SECOND)
    const event = this.#chance.happens(0.5) ? 'shop.email_collected' : 'shop.shop.email_collected'
    this.#tell(who, event, (shopId) => emailCollected(this.#chance, who, shopId, isSubscriber))
  }

  #happensTo(who: Subscriber, event: string): void {
    this.#wait(0, SECOND)
    this.#tell(who, event, (shopId) => unheardOf(this.#chance, who, shopId))
  }

  #atShop(clock: number): number {
    const who = this.#cast.subscriber(this.#chance.below(this.#known))
    const startedAt = Math.max(clock, (this.#shopFreeFrom[who.shop] ?? 0) + 1)
    this.#moment = startedAt
    this.#wait(0, SECOND)
    const shopId = this.#shops[who.shop]?.id ?? ''
    const told = stray(this.#chance, who, shopId, {
      id: this.#messageId(),
      at: this.#time.text(this.#moment),
    })
    this.#told.push({ at: this.#moment, shop: who.shop, resourceId: shopId, ...told })
    this.#shopFreeFrom[who.shop] = this.#moment
    return startedAt
  }

  #tell(who: Subscriber, event: string, dataFor: (shopId: string) => JsonObject): void {
    const shopId = this.#shops[who.shop]?.id ?? ''
    this.#told.push({ at: this.#moment, shop: who.shop, resourceId: shopId, event, data: dataFor(shopId) })
  }

  #wait(least: number, most: number): void {
    this.#moment += 1 + Math.floor(least + this.#chance.share() * (most - least))
  }

  #messageId(): string {
    const number = this.#messages++
    return `im_${hex(scramble(number, 0x1a9))}${hex(this.#chance.word())}`
  }
}
