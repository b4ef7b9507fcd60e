import { type StoredEvent, sha256 } from '../../src/ledger/event.ts'
import type { SubscriberFact } from '../../src/ledger/interpret.ts'
import { defineProjection } from '../../src/projecting/projection.ts'
import { queries } from './queries.ts'
import { subjects } from './subjects.ts'
import { type Entry, schema, type Tables, tables } from './tables.ts'

/** All that is known of a subscriber, in the order in which it happened; each message once. */
export const messageTimeline = defineProjection({
  name: 'message-timeline',
  version: 1,
  schema,
  tables,
  queries,
  numbering: { table: 'subscriber', usedBy: { entry: 'subscriber' } },
  subjects,
  handle: (fact, event, rows) => {
    if (fact.kind === 'shop' || fact.kind === 'unplaced' || fact.kind === 'placed') return
    const subscriber = rows.subscriberKey(fact.shopId, fact.subscriberId)
    const entry = entryOf(fact, event)
    if (!rows.add(subscriber, entry)) tellAgain(rows, subscriber, entry)
  },
})

// A message told twice is one entry. Which telling is shown must not hang on which came first: one that opts out
// before one that does not, then the earlier, then the lower id.
function tellAgain(rows: Tables, subscriber: number, told: Entry): void {
  const before = rows.findMessage(subscriber, told.messageId ?? '')
  if (before === null) throw new Error('an entry is there already that is not the same message')
  const conflict = before.conflict || before.told !== told.told
  const shown = precedes(told, before) ? told : before
  if (shown === before && conflict === before.conflict) return
  rows.remove(subscriber, before)
  rows.add(subscriber, { ...shown, conflict })
}

function precedes(a: Entry, b: Entry): boolean {
  return precedence(a) < precedence(b)
}

function precedence({ isOptOut, occurredAt, eventId }: Entry): string {
  return `${isOptOut ? 0 : 1} ${occurredAt} ${eventId}`
}

function entryOf(fact: SubscriberFact, event: StoredEvent): Entry {
  const { occurredAt, recordedAt, evidence, kind } = fact
  const message = fact.kind === 'message' ? fact.message : null
  return {
    occurredAt,
    eventId: evidence.eventId,
    kind,
    recordedAt,
    revision: event.revision,
    event: event.type,
    messageId: message?.id ?? null,
    message: message === null ? null : JSON.stringify(message),
    isOptOut: message?.isOptOut ?? false,
    told: fact.kind === 'message' ? sha256(fact.told).slice(0, 32) : null,
    conflict: false,
  }
}
