import type { DatabaseSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import * as z from 'zod'
import type { ConsentFact } from '../../src/ledger/consent.ts'
import type { Evidence } from '../../src/ledger/interpret.ts'

export const schema = `
  CREATE TABLE subscriber (
    key INTEGER PRIMARY KEY,
    shop_id TEXT NOT NULL,
    subscriber_id TEXT NOT NULL,
    status TEXT NOT NULL,
    since TEXT,
    evidence TEXT,
    possible_opt_out INTEGER NOT NULL,
    consent_order TEXT NOT NULL, -- of the last fact that consent was folded from
    phone TEXT,
    phone_order TEXT NOT NULL, -- when, and by which event, the phone was told: a later word replaces it
    email TEXT,
    email_order TEXT NOT NULL,
    shopify_customer_id TEXT,
    shopify_order TEXT NOT NULL,
    messages INTEGER NOT NULL,
    last_message_at TEXT,
    first_seen_at TEXT NOT NULL,
    revision INTEGER NOT NULL,
    UNIQUE (shop_id, subscriber_id)
  ) STRICT;
  CREATE INDEX subscriber_by_status ON subscriber (shop_id, status, subscriber_id);
  CREATE INDEX subscriber_by_email ON subscriber (shop_id, lower(email), subscriber_id) WHERE email IS NOT NULL;
  -- All that consent is folded from, so that a fact that comes late can be put where it belongs.
  CREATE TABLE consent_fact (
    subscriber INTEGER NOT NULL,
    consent_order TEXT NOT NULL,
    says TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (subscriber, consent_order)
  ) STRICT, WITHOUT ROWID;
  -- Every phone that a subscriber has ever had.
  CREATE TABLE phone (
    shop_id TEXT NOT NULL,
    phone TEXT NOT NULL,
    subscriber_id TEXT NOT NULL,
    PRIMARY KEY (shop_id, phone, subscriber_id)
  ) STRICT, WITHOUT ROWID;
  -- Each message counts once, however often it was told.
  CREATE TABLE message (
    subscriber INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    PRIMARY KEY (subscriber, message_id)
  ) STRICT, WITHOUT ROWID;
`

const Status = z.enum(['subscribed', 'unsubscribed', 'unknown'])
const evidenceJson = z.string().transform((text): Evidence => JSON.parse(text))

export const SubscriberRow = z.object({
  key: z.int(),
  shop_id: z.string(),
  subscriber_id: z.string(),
  status: Status,
  since: z.string().nullable(),
  evidence: z.string().nullable(),
  possible_opt_out: z.int(),
  consent_order: z.string(),
  phone: z.string().nullable(),
  phone_order: z.string(),
  email: z.string().nullable(),
  email_order: z.string(),
  shopify_customer_id: z.string().nullable(),
  shopify_order: z.string(),
  messages: z.int(),
  last_message_at: z.string().nullable(),
  first_seen_at: z.string(),
  revision: z.int(),
})
export type SubscriberRow = z.infer<typeof SubscriberRow>

const ConsentFactRow = z.object({
  says: z.enum(['in', 'doubted-in', 'eligible', 'question', 'out']),
  evidence: evidenceJson,
})

/** The columns that an ordinary message changes. None is indexed, so that one page is written, not four. */
const LIGHT = [
  'possible_opt_out',
  'consent_order',
  'phone_order',
  'shopify_customer_id',
  'shopify_order',
  'messages',
  'last_message_at',
  'first_seen_at',
  'revision',
] as const
const HEAVY = ['status', 'since', 'evidence', 'phone', 'email', 'email_order', ...LIGHT] as const
const ALL = ['shop_id', 'subscriber_id', ...HEAVY] as const

/** So many rows are remembered as they were last written. */
const KNOWN_ROWS = 20_000

/** Of whom nothing is known yet; without a number. */
const newRow = (shopId: string, subscriberId: string, seenAt: string): SubscriberRow => ({
  key: 0,
  shop_id: shopId,
  subscriber_id: subscriberId,
  status: 'unknown',
  since: null,
  evidence: null,
  possible_opt_out: 0,
  consent_order: '',
  phone: null,
  phone_order: '',
  email: null,
  email_order: '',
  shopify_customer_id: null,
  shopify_order: '',
  messages: 0,
  last_message_at: null,
  first_seen_at: seenAt,
  revision: -1,
})

export type Tables = ReturnType<typeof tables>

export function tables(db: DatabaseSync) {
  const update = (columns: readonly (typeof HEAVY)[number][]) => {
    const statement = db.prepare(
      `UPDATE subscriber SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE key = ?`,
    )
    return (row: SubscriberRow) => statement.run(...columns.map((column) => row[column]), row.key)
  }
  const rows = new LRUCache<string, SubscriberRow>({ max: KNOWN_ROWS })
  const find = db.prepare('SELECT * FROM subscriber WHERE shop_id = ? AND subscriber_id = ?')
  const add = db.prepare(
    `INSERT INTO subscriber (${ALL.join(', ')}) VALUES (${ALL.map(() => '?').join(', ')})`,
  )
  const light = update(LIGHT)
  const heavy = update(HEAVY)
  const addFact = db.prepare(
    'INSERT INTO consent_fact (subscriber, consent_order, says, evidence) VALUES (?, ?, ?, ?)',
  )
  const facts = db.prepare(
    'SELECT says, evidence FROM consent_fact WHERE subscriber = ? ORDER BY consent_order',
  )
  const addPhone = db.prepare('INSERT OR IGNORE INTO phone (shop_id, phone, subscriber_id) VALUES (?, ?, ?)')
  const addMessage = db.prepare('INSERT OR IGNORE INTO message (subscriber, message_id) VALUES (?, ?)')
  return {
    /** The subscriber's row, made where there is none yet. */
    subscriber: (shopId: string, subscriberId: string, seenAt: string): SubscriberRow => {
      const known = rows.get(`${shopId} ${subscriberId}`)
      if (known !== undefined) return known
      const found = find.get(shopId, subscriberId)
      if (found !== undefined) return SubscriberRow.parse(found)
      const row = newRow(shopId, subscriberId, seenAt)
      return { ...row, key: Number(add.run(...ALL.map((column) => row[column])).lastInsertRowid) }
    },
    save: (before: SubscriberRow, row: SubscriberRow): void => {
      const isLight =
        before.status === row.status &&
        before.since === row.since &&
        before.evidence === row.evidence &&
        before.phone === row.phone &&
        before.email_order === row.email_order
      if (isLight) light(row)
      else heavy(row)
      rows.set(`${row.shop_id} ${row.subscriber_id}`, row)
    },
    addFact: (subscriber: number, order: string, { says, evidence }: ConsentFact): void => {
      addFact.run(subscriber, order, says, JSON.stringify(evidence))
    },
    /** In the order in which they count. */
    facts: (subscriber: number): ConsentFact[] =>
      facts.all(subscriber).map((row) => ConsentFactRow.parse(row)),
    addPhone: (shopId: string, phone: string, subscriberId: string): void => {
      addPhone.run(shopId, phone, subscriberId)
    },
    /** Whether the message is told for the first time. */
    addMessage: (subscriber: number, messageId: string): boolean =>
      addMessage.run(subscriber, messageId).changes === 1,
  }
}
