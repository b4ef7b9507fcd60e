import type { Subscriber } from './cast.ts'
import type { Chance } from './chance.ts'
import { type JsonObject, message, unheardOf } from './payloads.ts'

interface Stray {
  readonly event: string | null
  readonly data: JsonObject
  /** Only where it isn't the shop's own. */
  readonly resourceId?: string | null
}

/** What concerns no subscriber (a test), or what nobody could tell whom, where or what it concerns. */
export function stray(
  chance: Chance,
  who: Subscriber,
  shopId: string,
  sent: { readonly id: string; readonly at: string },
): Stray {
  const text = () => message(who, shopId, { ...sent, body: 'hi', isOptOut: false })
  switch (chance.below(8)) {
    case 0:
      return { event: 'shop.subscriber.opt_in', data: { phone_number: who.phone, source: 'keyword' } }
    case 1:
      return { event: 'shop.incoming_message', data: { ...text(), subscriber_id: null } }
    case 2:
      return {
        event: 'shop.subscriber.opt_out',
        data: { subscriber_id: `s_${who.index}/..`, phone: who.phone },
      }
    case 3:
      return { event: 'shop.incoming_message', data: text(), resourceId: `${shopId.slice(0, 40)}_closed` }
    case 4:
      return { event: 'shop.incoming_message', data: text(), resourceId: null }
    case 5:
      return { event: null, data: unheardOf(chance, who, shopId) }
    default:
      return { event: 'shop.test', data: chance.happens(0.5) ? {} : { message: 'A test', shop_id: shopId } }
  }
}
