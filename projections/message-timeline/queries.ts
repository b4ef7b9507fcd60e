import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { ENTRY_COLUMNS, type Entry, EntryRow } from './tables.ts'

/** Where an entry stands in its subscriber's timeline. */
export type TimelineKey = readonly [occurredAt: string, eventId: string]

export interface TimelinePage {
  readonly kind: Entry['kind'] | null
  /** Inclusive. */
  readonly from: string | null
  /** Exclusive. */
  readonly to: string | null
  readonly order: 'asc' | 'desc'
  readonly after: TimelineKey | null
  readonly limit: number
}

// Behind every text that a time or an id can be.
const LAST = '~'

export function queries(db: DatabaseSync) {
  const subscriber = db.prepare('SELECT key FROM subscriber WHERE shop_id = ? AND subscriber_id = ?')
  const page = (comparison: '<' | '>', order: 'ASC' | 'DESC'): StatementSync =>
    db.prepare(`SELECT ${ENTRY_COLUMNS} FROM entry
      WHERE subscriber = :subscriber AND occurred_at >= :from AND occurred_at < :to
        AND (occurred_at, event_id) ${comparison} (:occurredAt, :eventId) AND (:kind IS NULL OR kind = :kind)
      ORDER BY occurred_at ${order}, event_id ${order} LIMIT :limit`)
  const pages = { asc: page('>', 'ASC'), desc: page('<', 'DESC') }
  return {
    /** A page of a subscriber's timeline; null where nothing is known of them. */
    page: (shopId: string, subscriberId: string, { kind, from, to, order, after, limit }: TimelinePage) => {
      const key = subscriber.get(shopId, subscriberId)?.['key']
      if (key === undefined) return null
      const [occurredAt, eventId] = after ?? (order === 'asc' ? ['', ''] : [LAST, LAST])
      return pages[order]
        .all({ subscriber: key, kind, from: from ?? '', to: to ?? LAST, occurredAt, eventId, limit })
        .map((row) => EntryRow.parse(row))
    },
  }
}
