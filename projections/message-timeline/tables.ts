import type { DatabaseSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import * as z from 'zod'

export const schema = `
  CREATE TABLE subscriber (
    key INTEGER PRIMARY KEY,
    shop_id TEXT NOT NULL,
    subscriber_id TEXT NOT NULL,
    UNIQUE (shop_id, subscriber_id)
  ) STRICT;
  CREATE TABLE entry (
    subscriber INTEGER NOT NULL,
    occurred_at TEXT NOT NULL,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    event TEXT NOT NULL,
    message_id TEXT,
    message TEXT, -- as JSON: SQLite's text cannot hold every text that JSON can
    is_opt_out INTEGER NOT NULL,
    told TEXT,
    conflict INTEGER NOT NULL,
    PRIMARY KEY (subscriber, occurred_at, event_id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX entry_by_message ON entry (subscriber, message_id) WHERE message_id IS NOT NULL;
`

const flag = z.int().transform((value) => value === 1)

export const EntryRow = z
  .object({
    occurred_at: z.string(),
    event_id: z.string(),
    kind: z.enum(['opt_in', 'opt_out', 'message', 'email', 'observation', 'entry', 'other']),
    recorded_at: z.string(),
    revision: z.int(),
    event: z.string(),
    message_id: z.string().nullable(),
    message: z.string().nullable(),
    is_opt_out: flag,
    told: z.string().nullable(),
    conflict: flag,
  })
  .transform((row) => ({
    occurredAt: row.occurred_at,
    eventId: row.event_id,
    kind: row.kind,
    recordedAt: row.recorded_at,
    revision: row.revision,
    event: row.event,
    messageId: row.message_id,
    message: row.message,
    isOptOut: row.is_opt_out,
    told: row.told,
    conflict: row.conflict,
  }))

export type Entry = z.infer<typeof EntryRow>

export const ENTRY_COLUMNS =
  'occurred_at, event_id, kind, recorded_at, revision, event, message_id, message, is_opt_out, told, conflict'

/** So many subscribers' keys are remembered. */
const KNOWN_SUBSCRIBERS = 50_000

export type Tables = ReturnType<typeof tables>

export function tables(db: DatabaseSync) {
  const findSubscriber = db.prepare('SELECT key FROM subscriber WHERE shop_id = ? AND subscriber_id = ?')
  const addSubscriber = db.prepare('INSERT INTO subscriber (shop_id, subscriber_id) VALUES (?, ?)')
  const findMessage = db.prepare(`SELECT ${ENTRY_COLUMNS} FROM entry WHERE subscriber = ? AND message_id = ?`)
  const add = db.prepare(
    `INSERT OR IGNORE INTO entry (subscriber, ${ENTRY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const remove = db.prepare('DELETE FROM entry WHERE subscriber = ? AND occurred_at = ? AND event_id = ?')
  const keys = new LRUCache<string, number>({ max: KNOWN_SUBSCRIBERS })
  return {
    subscriberKey: (shopId: string, subscriberId: string): number => {
      const name = `${shopId} ${subscriberId}`
      const known = keys.get(name)
      if (known !== undefined) return known
      const found = findSubscriber.get(shopId, subscriberId)
      const key = Number(
        found === undefined ? addSubscriber.run(shopId, subscriberId).lastInsertRowid : found['key'],
      )
      keys.set(name, key)
      return key
    },
    findMessage: (subscriber: number, messageId: string): Entry | null => {
      const row = findMessage.get(subscriber, messageId)
      return row === undefined ? null : EntryRow.parse(row)
    },
    /** Whether it was added: false where the message has been told before. */
    add: (subscriber: number, entry: Entry): boolean => {
      const { changes } = add.run(
        subscriber,
        entry.occurredAt,
        entry.eventId,
        entry.kind,
        entry.recordedAt,
        entry.revision,
        entry.event,
        entry.messageId,
        entry.message,
        entry.isOptOut ? 1 : 0,
        entry.told,
        entry.conflict ? 1 : 0,
      )
      return changes === 1
    },
    remove: (subscriber: number, entry: Entry): void => {
      remove.run(subscriber, entry.occurredAt, entry.eventId)
    },
  }
}
