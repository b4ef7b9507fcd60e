/**
 * A test double of EventStoreDB; the real server has the last word. Here is what a new server has in its log before
 * anybody wrote to it, so that a reader of `$all` meets what it did not ask for.
 */
import { randomUUID } from 'node:crypto'
import type { ProposedEvent } from './log.ts'
import { metadataEvent } from './stream-metadata.ts'

export const SYSTEM_EVENTS: ReadonlyArray<readonly [stream: string, event: ProposedEvent]> = [
  ['$$$scavenges', metadataEvent({ $maxAge: 2_592_000, $acl: { $r: '$ops', $w: [], $d: [] } })],
  ['$$$user-admin', metadataEvent({ $acl: { $r: ['$admins'], $w: ['$admins'] } })],
  ['$user-admin', systemEvent('$UserCreated', '{"loginName":"admin","groups":["$admins"]}')],
  ['$users', systemEvent('$User', '"admin"')],
]

function systemEvent(type: string, json: string): ProposedEvent {
  const contentType = 'application/json'
  return { id: randomUUID(), type, contentType, data: Buffer.from(json), metadata: new Uint8Array() }
}
