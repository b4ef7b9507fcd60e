/**
 * What tests tell a ledger: bodies as Postscript sends them, and a log in memory that keeps them as the real one does,
 * placed, chained and appended once.
 */
import {
  chain,
  EventType,
  eventIdOf,
  type NewEvent,
  type Source,
  type StoredEvent,
  type StreamHead,
  sha256,
  streams,
} from '../../src/ledger/event.ts'
import { type Instant, parseInstant } from '../../src/ledger/instant.ts'
import { canonicalJson, type JsonObject } from '../../src/ledger/json.ts'
import { type PlacedEvent, place } from '../../src/ledger/placement.ts'

export const SHOP = 'shop_1234567abcd'
export const SUBSCRIBER = 's_7f3a9'
export const PHONE = '+15551234567'
export const SIGNED_WITH = '0123456789ab'

export function instant(text: string): Instant {
  const read = parseInstant(text)
  if (read === null) throw new TypeError(`not a time: ${text}`)
  return read
}

/** A whole body; `envelope` replaces what stands around the data. */
export function delivery(event: string, eventData: JsonObject, envelope: JsonObject = {}): JsonObject {
  return {
    webhook_id: 'webhook_51b',
    resource_type: 'shop',
    resource_id: SHOP,
    event_time: '2026-03-01T10:00:00.000000',
    event,
    event_data: eventData,
    ...envelope,
  }
}

/** Of a subscriber, `SUBSCRIBER` unless `data` names another. */
export function optIn(time: string, data: JsonObject = {}): JsonObject {
  return delivery(EventType.optIn, { subscriber_id: SUBSCRIBER, ...data }, { event_time: time })
}

export function optOut(time: string, data: JsonObject = {}): JsonObject {
  return delivery(EventType.optOut, { subscriber_id: SUBSCRIBER, ...data }, { event_time: time })
}

export function emailCollected(time: string, data: JsonObject = {}): JsonObject {
  return delivery(EventType.emailCollected, { subscriber_id: SUBSCRIBER, ...data }, { event_time: time })
}

/** A text from a subscriber, told at the time at which it was sent. */
export function message(time: string, data: JsonObject = {}): JsonObject {
  return delivery(
    EventType.incomingMessage,
    {
      id: 'im_1',
      subscriber_id: SUBSCRIBER,
      shop_id: SHOP,
      is_opt_out: false,
      shopify_customer_id: null,
      from_number: PHONE,
      created_at: time,
      body: 'Do you ship to Maine?',
      ...data,
    },
    { event_time: time },
  )
}

/** What `GET /subscribers` says of a subscriber. */
export function subscriberObject(canSend: boolean | null, fields: JsonObject = {}): JsonObject {
  return {
    id: SUBSCRIBER,
    phone_number: PHONE,
    subscriptions: canSend === null ? {} : { promotional: { can_send: canSend } },
    ...fields,
  }
}

/** Something to be kept: a delivery, what the API answered, or a person's entry. */
export type Telling =
  | { readonly source: 'webhook'; readonly body: JsonObject }
  | { readonly source: 'api'; readonly subscriber: JsonObject; readonly observedAt: string }
  | { readonly source: 'manual'; readonly consent: string; readonly occurredAt: string; readonly key: string }

/** A log in memory. Appends once: what a stream has already is found, not stored again. */
export class Log {
  readonly events: StoredEvent[] = []
  readonly #heads = new Map<string, StreamHead>()
  readonly #found = new Map<string, StoredEvent>()
  readonly #shops: readonly [string, ...string[]]

  constructor(...shops: string[]) {
    const [first = SHOP, ...others] = shops
    this.#shops = [first, ...others]
  }

  /** Keeps a delivery, as the webhook endpoint does. Text and bytes are taken as they are. */
  receive(
    body: JsonObject | string | Uint8Array,
    receivedAt: Instant,
    recordedAt: Instant = receivedAt,
  ): StoredEvent {
    const placed = placedBody(body, receivedAt, this.#shops)
    return this.append(placed.stream, placed.event, recordedAt)
  }

  /** Keeps what was told, of `SUBSCRIBER` where it is not a delivery. */
  tell(telling: Telling, receivedAt: Instant, recordedAt: Instant = receivedAt): StoredEvent {
    if (telling.source === 'webhook') return this.receive(telling.body, receivedAt, recordedAt)
    const stream = streams.subscriber(SHOP, SUBSCRIBER)
    const event = telling.source === 'api' ? observed(telling, receivedAt) : entered(telling, receivedAt)
    return this.append(stream, event, recordedAt)
  }

  append(stream: string, event: NewEvent, recordedAt: Instant): StoredEvent {
    const found = this.#found.get(`${stream} ${event.id}`)
    if (found !== undefined) return found
    const { type, data } = event
    const { revision, metadata } = chain(
      stream,
      event,
      this.#heads.get(stream) ?? null,
      recordedAt,
      'writer-1',
    )
    const position = String(this.events.length).padStart(16, '0')
    const stored = { stream, revision, position, type, data, metadata }
    this.events.push(stored)
    this.#heads.set(stream, { revision, hash: metadata.hash, recordedAt: metadata.recordedAt })
    this.#found.set(`${stream} ${event.id}`, stored)
    return stored
  }
}

/** What a verified body becomes where only these shops are known; the first is the first of its token. */
export function placeBody(
  body: JsonObject | string | Uint8Array,
  shop = SHOP,
  ...shops: string[]
): PlacedEvent {
  return placedBody(body, instant('2026-03-01T10:00:01'), [shop, ...shops])
}

/** An event that the ledger writes itself. */
export function ownEvent(
  type: string,
  data: JsonObject,
  source: Source,
  receivedAt: Instant,
  identity: JsonObject = { type, data },
): NewEvent {
  const json = JSON.stringify(data)
  return {
    type,
    data,
    json,
    canonicalData: canonicalJson(data),
    id: eventIdOf(canonicalJson(identity)),
    source,
    receivedAt,
    sha256: sha256(json),
  }
}

function placedBody(
  body: JsonObject | string | Uint8Array,
  receivedAt: Instant,
  shopIds: readonly [string, ...string[]],
): PlacedEvent {
  const bytes =
    body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return place({ body: bytes, receivedAt, signedWith: SIGNED_WITH, shopIds }, (shop) =>
    shopIds.includes(shop),
  )
}

function observed({ subscriber, observedAt }: Telling & { source: 'api' }, receivedAt: Instant): NewEvent {
  return ownEvent(EventType.consentObserved, { shopId: SHOP, subscriber, observedAt }, 'api', receivedAt)
}

function entered(
  { consent, occurredAt, key }: Telling & { source: 'manual' },
  receivedAt: Instant,
): NewEvent {
  const who = { shopId: SHOP, subscriberId: SUBSCRIBER, idempotencyKey: key }
  const data = { ...who, consent, medium: 'phone', note: 'called', enteredBy: 'support desk', occurredAt }
  const type = EventType.consentEntered
  return ownEvent(type, data, 'manual', receivedAt, { type, ...who })
}
