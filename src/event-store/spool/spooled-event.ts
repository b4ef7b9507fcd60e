import * as z from 'zod'
import { EventMetadata, type NewEvent } from '../../ledger/event.ts'
import { canonicalJson, isJsonObject } from '../../ledger/json.ts'

const text = z.string()
const { id, source, receivedAt, sha256 } = EventMetadata.shape

// Strict: what a later release has written more than this must not get lost on the way to the log.
const SpooledEvent = z.strictObject({
  type: text,
  json: text,
  id,
  source,
  receivedAt,
  sha256,
  raw: z.exactOptional(text),
  signedWith: z.exactOptional(text),
})

/** An event as the spool writes it down. What can be made anew from its JSON is left out. */
export function spooledText({ data: _, canonicalData: __, ...event }: NewEvent): string {
  return JSON.stringify(event satisfies z.infer<typeof SpooledEvent>)
}

/** The event that `written` is of. Throws where it is no such text; the error may quote it. */
export function unspooled(written: string): NewEvent {
  const event = SpooledEvent.parse(JSON.parse(written))
  const data: unknown = JSON.parse(event.json)
  if (!isJsonObject(data)) throw new TypeError('no JSON object')
  return { ...event, data, canonicalData: canonicalJson(data) }
}
