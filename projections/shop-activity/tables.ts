import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'

export const schema = `
  CREATE TABLE activity (
    shop_id TEXT NOT NULL,
    quarter TEXT NOT NULL, -- of an hour, by its beginning in UTC: 2026-03-01T10:15
    opt_ins INTEGER NOT NULL,
    opt_outs INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (shop_id, quarter)
  ) STRICT, WITHOUT ROWID;
  -- All that decides on consent, so that a fact that comes late can be put where it belongs.
  CREATE TABLE decisive (
    shop_id TEXT NOT NULL,
    subscriber_id TEXT NOT NULL,
    presumes INTEGER NOT NULL,
    consent_order TEXT NOT NULL,
    says TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (shop_id, subscriber_id, presumes, consent_order)
  ) STRICT, WITHOUT ROWID;
  -- Each message counts once, however often it was told.
  CREATE TABLE message (
    shop_id TEXT NOT NULL,
    subscriber_id TEXT NOT NULL,
    message_id TEXT NOT NULL,
    told TEXT NOT NULL,
    PRIMARY KEY (shop_id, subscriber_id, message_id)
  ) STRICT, WITHOUT ROWID;
`

const Decisive = z
  .object({
    consent_order: z.string(),
    says: z.enum(['in', 'doubted-in', 'eligible', 'out']),
    source: z.enum(['webhook', 'api', 'manual']),
  })
  .transform(({ consent_order: order, says, source }) => ({ order, says, source }))

/** A fact that decides on consent, as far as counting goes; `order` is its `consentOrder`. */
export type Decisive = z.infer<typeof Decisive>
export type Counted = 'opt_ins' | 'opt_outs' | 'messages'
export type Tables = ReturnType<typeof tables>

export function tables(db: DatabaseSync) {
  const add = (what: Counted) =>
    db.prepare(`INSERT INTO activity (shop_id, quarter, opt_ins, opt_outs, messages)
      VALUES (?, ?, ${['opt_ins', 'opt_outs', 'messages'].map((one) => (one === what ? 1 : 0)).join(', ')})
      ON CONFLICT DO UPDATE SET ${what} = ${what} + 1`)
  const take = (what: Counted) =>
    db.prepare(`UPDATE activity SET ${what} = ${what} - 1 WHERE shop_id = ? AND quarter = ?`)
  const adding = { opt_ins: add('opt_ins'), opt_outs: add('opt_outs'), messages: add('messages') }
  const taking = { opt_ins: take('opt_ins'), opt_outs: take('opt_outs'), messages: take('messages') }
  const sweep = db.prepare(`DELETE FROM activity
    WHERE shop_id = ? AND quarter = ? AND opt_ins = 0 AND opt_outs = 0 AND messages = 0`)

  const nearest = (condition: string, direction: 'ASC' | 'DESC') => `SELECT * FROM (
    SELECT consent_order, says, source FROM decisive WHERE shop_id = :shopId AND subscriber_id = :subscriberId
      AND ${condition} ORDER BY consent_order ${direction} LIMIT 1)`
  const around = db.prepare(`
    ${nearest('presumes = 0 AND consent_order < :order', 'DESC')}
    UNION ALL ${nearest('presumes = 0 AND consent_order > :order', 'ASC')}
    UNION ALL ${nearest('presumes = 1', 'ASC')}`)
  const addDecisive = db.prepare(`INSERT INTO decisive
    (shop_id, subscriber_id, presumes, consent_order, says, source) VALUES (?, ?, ?, ?, ?, ?)`)

  const addMessage = db.prepare(
    'INSERT OR IGNORE INTO message (shop_id, subscriber_id, message_id, told) VALUES (?, ?, ?, ?)',
  )
  const findMessage = db.prepare(
    'SELECT told FROM message WHERE shop_id = ? AND subscriber_id = ? AND message_id = ?',
  )
  const retell = db.prepare(
    'UPDATE message SET told = ? WHERE shop_id = ? AND subscriber_id = ? AND message_id = ?',
  )
  return {
    count: (shopId: string, quarter: string, what: Counted): void => {
      adding[what].run(shopId, quarter)
    },
    /** Takes one back that was counted. A quarter of which nothing is left is as if nothing had ever been. */
    uncount: (shopId: string, quarter: string, what: Counted): void => {
      taking[what].run(shopId, quarter)
      sweep.run(shopId, quarter)
    },
    /**
     * The facts that one at `order` can count differently with: the nearest opt-in or opt-out on either side, since each
     * says the status whatever was before it; and the first presumption, since it counts only where nothing was known.
     */
    around: (shopId: string, subscriberId: string, order: string): Decisive[] =>
      around.all({ shopId, subscriberId, order }).map((row) => Decisive.parse(row)),
    addDecisive: (shopId: string, subscriberId: string, { order, says, source }: Decisive): void => {
      const presumes = says === 'doubted-in' || says === 'eligible'
      addDecisive.run(shopId, subscriberId, presumes ? 1 : 0, order, says, source)
    },
    /** Null where the message is told for the first time, else how it was told before. */
    addMessage: (shopId: string, subscriberId: string, messageId: string, told: string): string | null => {
      if (addMessage.run(shopId, subscriberId, messageId, told).changes === 1) return null
      return z.string().parse(findMessage.get(shopId, subscriberId, messageId)?.['told'])
    },
    retell: (shopId: string, subscriberId: string, messageId: string, told: string): void => {
      retell.run(told, shopId, subscriberId, messageId)
    },
  }
}
