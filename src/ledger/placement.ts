import {
  EMAIL_COLLECTED_ALIAS,
  EVENT_NAME,
  EventType,
  eventIdOf,
  identify,
  type NewEvent,
  OWN_NAMES,
  parseStreamName,
  type StoredEvent,
  sha256,
  streams,
} from './event.ts'
import type { Instant } from './instant.ts'
import { canonicalJson, type JsonObject, parseJsonObject, UnreadableJson } from './json.ts'
import { isId, shopIdIn, subscriberIdIn } from './payload.ts'

/** Why no subscriber could be read from a delivery. */
export type UnplacedReason =
  | 'no-subscriber'
  | 'subscriber-id-unusable'
  | 'no-shop'
  | 'unknown-shop'
  | 'not-utf8'
  | 'too-large'
  | 'placeable'
  | UnreadableJson['code']

/** A body larger than this when stored is kept as bytes: every engine takes an event of this size. */
const MAX_STORED_BYTES = 1_000_000

/** A delivery whose signature was good. */
export interface VerifiedDelivery {
  readonly body: Uint8Array
  readonly receivedAt: Instant
  /** First 12 hex digits of the SHA-256 of the token. */
  readonly signedWith: string
  /** The shops that the token signs for, in the configuration's order; the first takes what names no known shop. */
  readonly shopIds: readonly [string, ...string[]]
}

export interface PlacedEvent {
  /** The shop that the delivery names, whether known or not. */
  readonly shopId: string | null
  readonly stream: string
  readonly event: NewEvent
}

/** Turns a verified delivery into the event to append, and says where. Never refuses: what can't be placed is kept too. */
export function place(delivery: VerifiedDelivery, isKnownShop: (shopId: string) => boolean): PlacedEvent {
  const { body: bytes, receivedAt, signedWith, shopIds } = delivery
  const received = { source: 'webhook' as const, receivedAt, sha256: sha256(bytes), signedWith }
  const unplaced = (event: NewEvent, shopId: string | null): PlacedEvent => {
    const home = shopId !== null && isId(shopId) && isKnownShop(shopId) ? shopId : shopIds[0]
    return { shopId, stream: streams.unplaced(home, event.id), event }
  }
  const read = readBody(bytes)
  if (read.body === null) return unplaced({ ...unreadable(bytes), ...received }, null)

  const { text, body } = read
  const json = JSON.stringify(body)
  const event: NewEvent = {
    type: eventTypeOf(body),
    data: body,
    json,
    ...identify(body),
    ...received,
    ...(json === text ? {} : { raw: text }),
  }
  if (storedBytes(json, event.raw) > MAX_STORED_BYTES)
    return unplaced({ ...unreadable(bytes), ...received }, null)
  const target = targetOf(event, isKnownShop)
  if ('reason' in target) return unplaced(event, target.shopId)
  return { shopId: target.shopId, stream: target.stream, event }
}

/**
 * Why a stored event stands in an unplaced stream. Read from the event alone, so that a projection can tell: a shop
 * that is named, but not in the stream's name, was in no config. `placeable`: today's code reads a subscriber from it.
 */
export function unplacedReason(event: StoredEvent): UnplacedReason {
  if (event.type === EventType.unreadable) return unreadableReason(event.data)
  const home = parseStreamName(event.stream)?.shopId
  const target = targetOf(
    { type: event.type, data: event.data, id: event.metadata.id },
    (shopId) => shopId === home,
  )
  return 'reason' in target ? target.reason : 'placeable'
}

type Target = { shopId: string; stream: string } | { shopId: string | null; reason: UnplacedReason }

function targetOf(
  { type, data, id }: Pick<NewEvent, 'type' | 'data' | 'id'>,
  isKnownShop: (shopId: string) => boolean,
): Target {
  const shopId = shopIdIn(data)
  if (shopId === null) return { shopId, reason: 'no-shop' }
  if (!isKnownShop(shopId)) return { shopId, reason: 'unknown-shop' }
  if (type === EventType.test) return { shopId, stream: streams.shop(shopId, id) }
  const subscriberId = subscriberIdIn(data)
  if (subscriberId !== null && isId(subscriberId))
    return { shopId, stream: streams.subscriber(shopId, subscriberId) }
  if (subscriberId !== null) return { shopId, reason: 'subscriber-id-unusable' }
  if (type === EventType.emailCollected) return { shopId, stream: streams.shop(shopId, id) }
  return { shopId, reason: 'no-subscriber' }
}

function eventTypeOf(body: JsonObject): string {
  const { event } = body
  if (typeof event !== 'string' || !EVENT_NAME.test(event) || OWN_NAMES.test(event)) return EventType.unnamed
  return event === EMAIL_COLLECTED_ALIAS ? EventType.emailCollected : event
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readBody(
  bytes: Uint8Array,
): { text: string; body: JsonObject } | { body: null; reason: UnplacedReason } {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { body: null, reason: 'not-utf8' }
  }
  try {
    return { text, body: parseJsonObject(text) }
  } catch (error) {
    if (error instanceof UnreadableJson) return { body: null, reason: error.code }
    throw error
  }
}

function unreadable(bytes: Uint8Array): Pick<NewEvent, 'type' | 'data' | 'json' | 'canonicalData' | 'id'> {
  const type = EventType.unreadable
  const data = { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') }
  return {
    type,
    data,
    json: JSON.stringify(data),
    canonicalData: canonicalJson(data),
    id: eventIdOf(canonicalJson({ type, data })),
  }
}

function unreadableReason(data: JsonObject): UnplacedReason {
  const { base64 } = data
  const read = readBody(Buffer.from(typeof base64 === 'string' ? base64 : '', 'base64'))
  return read.body === null ? read.reason : 'too-large'
}

function storedBytes(json: string, raw: string | undefined): number {
  const most = (json.length + (raw?.length ?? 0) * 2) * 3
  if (most < MAX_STORED_BYTES) return most
  return Buffer.byteLength(json) + (raw === undefined ? 0 : Buffer.byteLength(JSON.stringify(raw)))
}
