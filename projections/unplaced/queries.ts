import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'

const Row = z
  .object({
    recorded_at: z.string(),
    event_id: z.string(),
    stream: z.string(),
    revision: z.int(),
    reason: z.string(),
    placed_in: z.string().nullable(),
  })
  .transform((row) => ({
    recordedAt: row.recorded_at,
    eventId: row.event_id,
    stream: row.stream,
    revision: row.revision,
    reason: row.reason,
    placedIn: row.placed_in,
  }))

/** Where an unplaced event stands in its shop's list. */
export type UnplacedKey = readonly [recordedAt: string, eventId: string]

export function queries(db: DatabaseSync) {
  const list = db.prepare(`SELECT recorded_at, event_id, stream, revision, reason, placed_in FROM unplaced
    WHERE shop_id = ? AND (recorded_at, event_id) > (?, ?) ORDER BY recorded_at, event_id LIMIT ?`)
  return {
    /** Oldest first. */
    list: (shopId: string, after: UnplacedKey | null, limit: number) =>
      list.all(shopId, ...(after ?? ['', '']), limit).map((row) => Row.parse(row)),
  }
}
