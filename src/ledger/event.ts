/**
 * THIS IS THE STORAGE FORMAT. What is written here is on disk for ever: names, streams, metadata, ids, hashes.
 * Nothing else in the project spells a stored name. Add to it; never change what is there.
 */
import { hash as digestOf } from 'node:crypto'
import * as z from 'zod'
import { type Instant, isInstant } from './instant.ts'
import { canonicalJson, canonicalWithout, isJsonObject, type JsonObject } from './json.ts'

/** The types that have a meaning here. A webhook's type is Postscript's own name for it, so any other may occur. */
export const EventType = {
  optIn: 'shop.subscriber.opt_in',
  optOut: 'shop.subscriber.opt_out',
  incomingMessage: 'shop.incoming_message',
  emailCollected: 'shop.email_collected',
  test: 'shop.test',
  /** A webhook that names no event, or one that only the ledger may write. */
  unnamed: 'webhook.unnamed',
  /** A verified body that is no JSON object that can be kept as one: `data` is `{base64}`. */
  unreadable: 'ledger.unreadable',
  /** An unplaced event was placed later: `data` is `{eventId, stream, revision}`. */
  placed: 'ledger.placed',
  /** What Postscript's API said of a subscriber: `data` is `{shopId, subscriber, observedAt}`. */
  consentObserved: 'ledger.consent_observed',
  /** What a person entered: `data` is `EnteredData`. */
  consentEntered: 'ledger.consent_entered',
  /** Names the log that it begins: `data` is `{id}`. */
  logBegun: 'ledger.log_begun',
} as const

/** The same event under the other spelling that Postscript's own pages use; stored as `emailCollected`. */
export const EMAIL_COLLECTED_ALIAS = 'shop.shop.email_collected'

/** Names that no sender may use, because the ledger writes them itself. */
export const OWN_NAMES = /^(ledger|webhook)\./
/** What can be an event type in every engine. */
export const EVENT_NAME = /^[A-Za-z0-9_.-]{1,100}$/
/** What can stand in a stream's name: Postscript's ids, old unprefixed ones among them. */
export const ID = /^[A-Za-z0-9_-]{1,64}$/

/** The prefixes of everything that the ledger stores: the filter over a log that it shares with others. */
export const STREAM_PREFIXES = ['postscript.', 'ledger.'] as const

export const streams = {
  subscriber: (shopId: string, subscriberId: string) => `postscript.subscriber-${shopId}.${subscriberId}`,
  /** What a shop said that concerns no subscriber. Spread over 256 streams, so that none grows without bound. */
  shop: (shopId: string, eventId: string) => `postscript.shop-${shopId}.${eventId.slice(0, 2)}`,
  unplaced: (shopId: string, eventId: string) => `postscript.unplaced-${shopId}.${eventId.slice(0, 2)}`,
  /** Where a log that other machines share says which log it is; no part of what the log tells. */
  log: 'ledger.log',
}

export type StreamName =
  | { kind: 'subscriber'; shopId: string; subscriberId: string }
  | { kind: 'shop' | 'unplaced'; shopId: string }

/** What a stream's name says, or null for a stream that is not the ledger's. */
export function parseStreamName(stream: string): StreamName | null {
  const [, kind, shopId, rest] =
    /^postscript\.(subscriber|shop|unplaced)-([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})$/.exec(stream) ?? []
  if (shopId === undefined || rest === undefined) return null
  if (kind === 'subscriber') return { kind, shopId, subscriberId: rest }
  return kind === 'shop' || kind === 'unplaced' ? { kind, shopId } : null
}

const instantText = z.custom<Instant>(isInstant, 'not a UTC time with six digits')
const source = z.enum(['webhook', 'api', 'manual'])
export type Source = z.infer<typeof source>

/** Metadata as stored; loose, because the hash covers whatever a later release may have added. */
export const EventMetadata = z.looseObject({
  schema: z.literal(1),
  /** UUID v8 of the information itself; unique in its stream. */
  id: z.string(),
  source,
  /** When the bytes arrived here. Spool, replay and copy carry it along. */
  receivedAt: instantText,
  /** When it was appended to this stream; never before the previous event's. Only copy carries it along. */
  recordedAt: instantText,
  /** The random id of the data folder that wrote it. */
  writer: z.string(),
  /** Of the exact bytes received. */
  sha256: z.string(),
  /** The exact text received, only where `JSON.stringify(data)` differs from it. */
  raw: z.string().optional(),
  /** First 12 hex digits of the SHA-256 of the signing token that verified it. */
  signedWith: z.string().optional(),
  /** The previous event's hash, null for the first. */
  prev: z.string().nullable(),
  hash: z.string(),
})
export type EventMetadata = z.infer<typeof EventMetadata>

/** One immutable fact at its place. `revision` counts from 0 in its stream; `position` is its place in the whole log. */
export interface StoredEvent {
  readonly stream: string
  readonly revision: number
  readonly position: Position
  readonly type: string
  readonly data: JsonObject
  readonly metadata: EventMetadata
}

/**
 * An event's place in the whole log: opaque outside the event store, but for one thing: text order is log order.
 * It differs by engine.
 */
export type Position = string

/** What an engine is asked to append: all of an event that is known before its place is. */
export interface NewEvent {
  readonly type: string
  readonly data: JsonObject
  /** `JSON.stringify(data)`: made once to compare it with what came, used again to store it. */
  readonly json: string
  /** Canonical JSON of `data`: made once for the id, used again for the hash. */
  readonly canonicalData: string
  readonly id: string
  readonly source: Source
  readonly receivedAt: Instant
  readonly sha256: string
  readonly raw?: string
  readonly signedWith?: string
}

/** The end of a stream, which the next event is chained to. */
export interface StreamHead {
  readonly revision: number
  readonly hash: string
  readonly recordedAt: Instant
}

/** Says of which information an event is: the same id whatever subscription, retry, spelling or node it comes by. */
export function eventIdOf(canonical: string): string {
  return uuidV8(sha256(canonical))
}

/**
 * The canonical JSON of a webhook's body, and the id of its event: `webhook_id` names the subscription that it came by,
 * so it is no part of what the event says.
 */
export function identify(body: JsonObject): { canonicalData: string; id: string } {
  const { whole, without } = canonicalWithout(body, 'webhook_id')
  return { canonicalData: whole, id: eventIdOf(without) }
}

/**
 * The metadata of `event` as the next one of its stream: placed, timed and chained; also as the JSON to store. `head` is
 * null for the first.
 */
export function chain(
  stream: string,
  event: Omit<NewEvent, 'data'>,
  head: StreamHead | null,
  now: Instant,
  writer: string,
): { revision: number; metadata: EventMetadata; metadataJson: string } {
  const revision = head === null ? 0 : head.revision + 1
  const unhashed = {
    schema: 1 as const,
    id: event.id,
    source: event.source,
    receivedAt: event.receivedAt,
    recordedAt: head !== null && head.recordedAt > now ? head.recordedAt : now,
    writer,
    sha256: event.sha256,
    ...(event.raw === undefined ? {} : { raw: event.raw }),
    ...(event.signedWith === undefined ? {} : { signedWith: event.signedWith }),
    prev: head === null ? null : head.hash,
  }
  const canonicalMetadata = canonicalOf(unhashed)
  const hash = hashOf(stream, revision, event.type, event.canonicalData, canonicalMetadata)
  // `hash` sorts before all the others, so the canonical text is made once for both.
  const metadataJson = `{"hash":"${hash}",${canonicalMetadata.slice(1)}`
  return { revision, metadata: { ...unhashed, hash }, metadataJson }
}

type Unhashed = Omit<NewEvent, 'type' | 'data' | 'json' | 'canonicalData'> & {
  readonly schema: 1
  readonly recordedAt: Instant
  readonly writer: string
  readonly prev: string | null
}

// The same as `canonicalJson` would write, its members in their order; written out because every event comes by here.
function canonicalOf(metadata: Unhashed): string {
  const {
    id,
    prev,
    raw,
    receivedAt,
    recordedAt,
    schema,
    sha256: digest,
    signedWith,
    source,
    writer,
  } = metadata
  return (
    `{"id":"${id}","prev":${prev === null ? 'null' : `"${prev}"`},` +
    (raw === undefined ? '' : `"raw":${canonicalJson(raw)},`) +
    `"receivedAt":"${receivedAt}","recordedAt":"${recordedAt}","schema":${schema},"sha256":"${digest}",` +
    (signedWith === undefined ? '' : `"signedWith":"${signedWith}",`) +
    `"source":"${source}","writer":${canonicalJson(writer)}}`
  )
}

/** The hash that a stored event must bear: SHA-256 of the canonical JSON of all of it but the hash itself. */
export function eventHash(event: Omit<StoredEvent, 'position'>): string {
  const { hash: _, ...unhashed } = event.metadata
  if (!isJsonObject(unhashed)) throw new TypeError('metadata is not JSON')
  return hashOf(event.stream, event.revision, event.type, canonicalJson(event.data), canonicalJson(unhashed))
}

/** The id under which an event is given to EventStoreDB: of its very bytes at its very place, so of its hash. */
export function storeIdOf(hash: string): string {
  return uuidV8(hash)
}

export function sha256(bytes: string | Uint8Array): string {
  return digestOf('sha256', bytes, 'hex')
}

function hashOf(
  stream: string,
  revision: number,
  type: string,
  canonicalData: string,
  canonicalMetadata: string,
): string {
  return sha256(
    `{"data":${canonicalData},"metadata":${canonicalMetadata},"revision":${revision},` +
      `"stream":${canonicalJson(stream)},"type":${canonicalJson(type)}}`,
  )
}

// Version 8 of RFC 9562: all bits are ours but version and variant.
function uuidV8(hex: string): string {
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3]
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
