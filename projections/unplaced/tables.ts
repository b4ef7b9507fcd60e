import type { DatabaseSync } from 'node:sqlite'

export const schema = `
  CREATE TABLE unplaced (
    shop_id TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    event_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    reason TEXT NOT NULL,
    placed_in TEXT,
    PRIMARY KEY (shop_id, recorded_at, event_id)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX unplaced_by_event ON unplaced (stream, event_id);
`

export function tables(db: DatabaseSync) {
  const add = db.prepare(
    `INSERT INTO unplaced (shop_id, recorded_at, event_id, stream, revision, reason) VALUES (?, ?, ?, ?, ?, ?)`,
  )
  const place = db.prepare('UPDATE unplaced SET placed_in = ? WHERE stream = ? AND event_id = ?')
  return {
    add: (
      shopId: string,
      recordedAt: string,
      eventId: string,
      stream: string,
      revision: number,
      reason: string,
    ) => {
      add.run(shopId, recordedAt, eventId, stream, revision, reason)
    },
    place: (placedIn: string, stream: string, eventId: string) => {
      place.run(placedIn, stream, eventId)
    },
  }
}
