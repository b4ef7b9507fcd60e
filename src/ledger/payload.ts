/**
 * Where things stand in Postscript's payloads. Two of the five are not published, so whatever may hold a thing is
 * looked at, in a fixed order, and nothing is required.
 */
import { ID } from './event.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/** Text as it stands, a number as its digits; anything else is no text. */
export function textOf(value: Json | undefined): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' ? String(value) : null
}

export function eventDataOf(body: JsonObject): JsonObject {
  const { event_data: data } = body
  return isJsonObject(data) ? data : {}
}

/** Which shop a delivery speaks of: the envelope's word, else its data's. */
export function shopIdIn(body: JsonObject): string | null {
  return textOf(body['resource_id']) ?? textOf(eventDataOf(body)['shop_id'])
}

/** Which subscriber a delivery names, as it stands: perhaps nothing that can be an id. */
export function subscriberIdIn(body: JsonObject): string | null {
  const data = eventDataOf(body)
  const { id, subscriber } = data
  return (
    textOf(data['subscriber_id']) ??
    (typeof id === 'string' && id.startsWith('s_') ? id : null) ??
    (isJsonObject(subscriber) ? textOf(subscriber['id']) : textOf(subscriber))
  )
}

export function isId(text: string): boolean {
  return ID.test(text)
}

/** How a subscriber can be reached, and who they are in the shop. */
export interface Contact {
  /** `+` and digits where it came so, else digits alone: Postscript writes E.164. */
  readonly phone: string | null
  readonly email: string | null
  readonly shopifyCustomerId: string | null
}

/** Reads phone, e-mail and Shopify's customer wherever they may stand, `event_data` first, then its `subscriber`. */
export function contactIn(data: JsonObject): Contact {
  const { subscriber } = data
  const places = isJsonObject(subscriber) ? [data, subscriber] : [data]
  return {
    phone: first(places, ['phone_number', 'phone', 'from_number'], phoneText),
    email: first(places, ['email', 'email_address'], emailText),
    shopifyCustomerId: first(places, ['shopify_customer_id'], textOf),
  }
}

/** A phone number without the signs people write between its digits; null where no number can be read from it. */
export function phoneText(value: Json | undefined): string | null {
  const digits = textOf(value)?.replace(/[^\d+]/g, '') ?? ''
  return /^\+?\d{5,20}$/.test(digits) ? digits : null
}

function emailText(value: Json | undefined): string | null {
  const text = typeof value === 'string' ? value.trim() : ''
  return /^[^\s@\p{Cc}\p{Cs}]+@[^\s@\p{Cc}\p{Cs}]+$/u.test(text) ? text : null
}

function first<T>(
  places: readonly JsonObject[],
  keys: readonly string[],
  read: (value: Json | undefined) => T | null,
): T | null {
  for (const place of places)
    for (const key of keys) {
      const found = read(place[key])
      if (found !== null) return found
    }
  return null
}
