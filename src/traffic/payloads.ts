import type { Subscriber } from './cast.ts'
import type { Chance } from './chance.ts'
import { KEYWORDS } from './wording.ts'

export type Json = string | number | boolean | null | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [name: string]: Json
}

/** `shop.incoming_message`: Postscript's own example, field for field. */
export function message(
  who: Subscriber,
  shopId: string,
  sent: { readonly id: string; readonly at: string; readonly body: string; readonly isOptOut: boolean },
): JsonObject {
  return {
    id: sent.id,
    subscriber_id: who.id,
    shop_id: shopId,
    is_opt_out: sent.isOptOut,
    shopify_customer_id: who.shopifyCustomerId,
    from_number: who.phone,
    created_at: sent.at,
    body: sent.body,
  }
}

/** Opt-in and opt-out payloads are not published: each form here is one that a lenient reader should take. */
export function lifecycle(
  chance: Chance,
  who: Subscriber,
  shopId: string,
  change: { readonly at: string; readonly means: string },
): JsonObject {
  const { phone, shopifyCustomerId: customer } = who
  const id = writtenId(chance, who)
  // An old id says by no prefix that it is a subscriber's.
  switch (chance.below(who.isOldId ? 4 : 5)) {
    case 0:
      return { subscriber_id: id, phone_number: phone, shopify_customer_id: customer, created_at: change.at }
    case 1:
      return {
        subscriber_id: id,
        shop_id: shopId,
        phone,
        shopify_customer_id: customer === null ? null : String(customer),
        source: change.means,
      }
    case 2:
      return {
        shop_id: shopId,
        subscriber: { id, phone_number: phone, email: who.email, shopify_customer_id: customer },
        created_at: `${change.at}Z`,
      }
    case 3:
      return {
        subscriber_id: id,
        shop_id: shopId,
        from_number: phone,
        keyword: change.means === 'keyword' ? chance.pick(KEYWORDS) : null,
      }
    default:
      return {
        id: who.id,
        shop_id: shopId,
        phone_number: phone,
        email: chance.happens(0.5) ? who.email : null,
        shopify_customer_id: customer,
        tags: [change.means],
      }
  }
}

/** `shop.email_collected`: also for visitors who are nobody's subscriber (yet). */
export function emailCollected(
  chance: Chance,
  who: Subscriber,
  shopId: string,
  isSubscriber: boolean,
): JsonObject {
  const popup = { shop_id: shopId, email: who.email, popup_id: `pop_${1 + (who.index % 3)}` }
  if (!isSubscriber) return popup
  return chance.happens(0.5)
    ? { ...popup, subscriber_id: writtenId(chance, who), phone_number: who.phone }
    : { ...popup, subscriber: { id: writtenId(chance, who), phone_number: who.phone } }
}

export function unheardOf(chance: Chance, who: Subscriber, shopId: string): JsonObject {
  return {
    subscriber_id: writtenId(chance, who),
    shop_id: shopId,
    properties: { favourite: chance.pick(['shoes', 'coats', 'tea']), visits: chance.below(40) },
  }
}

function writtenId(chance: Chance, who: Subscriber): string | number {
  return who.isOldId && chance.happens(0.5) ? Number(who.id) : who.id
}
