import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import type { Evidence } from '../../src/ledger/interpret.ts'
import { SubscriberRow } from './tables.ts'

const Subscriber = SubscriberRow.transform((row) => ({
  shopId: row.shop_id,
  subscriberId: row.subscriber_id,
  status: row.status,
  since: row.since,
  evidence: row.evidence === null ? null : readEvidence(row.evidence),
  phone: row.phone,
  email: row.email,
  shopifyCustomerId: row.shopify_customer_id,
  messages: { received: row.messages, lastAt: row.last_message_at },
  possibleOptOut: row.possible_opt_out === 1,
  firstSeenAt: row.first_seen_at,
  revision: row.revision,
}))

function readEvidence(text: string): Evidence {
  return JSON.parse(text)
}

export interface SubscriberFilter {
  readonly status: 'subscribed' | 'unsubscribed' | 'unknown' | null
  /** Spellings of one number: a subscriber has it where their phone is one of them. */
  readonly phones: readonly string[] | null
  /** In whatever case. */
  readonly email: string | null
}

export function queries(db: DatabaseSync) {
  const get = db.prepare('SELECT * FROM subscriber WHERE shop_id = ? AND subscriber_id = ?')
  const everHad = db.prepare(`SELECT DISTINCT subscriber_id FROM phone
    WHERE shop_id = ? AND phone IN (SELECT value FROM json_each(?)) ORDER BY subscriber_id`)
  const conditions = {
    status: 'status = :status',
    email: 'lower(email) = lower(:email)',
    phones: `subscriber_id IN (SELECT subscriber_id FROM phone WHERE shop_id = :shopId
      AND phone IN (SELECT value FROM json_each(:phones))) AND phone IN (SELECT value FROM json_each(:phones))`,
  }
  return {
    get: (shopId: string, subscriberId: string) => {
      const row = get.get(shopId, subscriberId)
      return row === undefined ? null : Subscriber.parse(row)
    },
    /** By subscriber id, those behind `after`. */
    list: (
      shopId: string,
      { status, phones, email }: SubscriberFilter,
      after: string | null,
      limit: number,
    ) => {
      const values = {
        ...(status === null ? {} : { status }),
        ...(email === null ? {} : { email }),
        ...(phones === null ? {} : { phones: JSON.stringify(phones) }),
      }
      const where = (['status', 'email', 'phones'] as const).filter((name) => name in values)
      const sql = `SELECT * FROM subscriber WHERE shop_id = :shopId AND subscriber_id > :after
        ${where.map((name) => `AND ${conditions[name]}`).join(' ')} ORDER BY subscriber_id LIMIT :limit`
      return db
        .prepare(sql)
        .all({ shopId, after: after ?? '', limit, ...values })
        .map((row) => Subscriber.parse(row))
    },
    /** Every subscriber of the shop who has ever had the number, in any of these spellings. */
    everHad: (shopId: string, phones: readonly string[]): string[] =>
      everHad.all(shopId, JSON.stringify(phones)).map((row) => z.string().parse(row['subscriber_id'])),
  }
}
