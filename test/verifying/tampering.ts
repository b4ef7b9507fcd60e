import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import { type Append, SqliteAppender } from '../../src/event-store/sqlite/appender.ts'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { EventMetadata, eventHash, type StoredEvent } from '../../src/ledger/event.ts'
import { parseJsonObject } from '../../src/ledger/json.ts'
import { Notes } from '../../src/verifying/notes.ts'
import { verify, type Walk } from '../../src/verifying/verify.ts'
import { instant, message, optIn, placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** A log of 24 events in 4 streams that take turns: `s_1` is at the positions 2, 6, 10, 14, 18 and 22. */
export function someLog(): string {
  return logOf(
    Array.from({ length: 24 }, (_, index) => {
      const time = `2026-03-01T10:00:${String(index).padStart(2, '0')}.000000`
      const subscriber_id = `s_${index % 4}`
      const texted = {
        id: `im_${index}`,
        subscriber_id,
        body: `Größe ${index}? "\\ \u0007 😀`,
        price: 1.5e-7,
      }
      const body = index % 3 === 0 ? optIn(time, { subscriber_id }) : message(time, texted)
      // Some were spelled so that their text is kept too.
      return placeBody(index % 5 === 0 ? `${JSON.stringify(body)} ` : body)
    }),
  )
}

export function logOf(appends: readonly Append[]): string {
  const path = join(temporaryFolder(), 'log.sqlite')
  appendTo(path, appends)
  return path
}

export function appendTo(path: string, appends: readonly Append[]): void {
  let second = 0
  const appender = new SqliteAppender(path, 'folder-1', () =>
    instant(`2026-03-01T12:00:${10 + (second++ % 50)}`),
  )
  appender.append(appends)
  appender.close()
}

export function streamOf(number: number): string {
  return `postscript.subscriber-${SHOP}.s_${number}`
}

/** The file of a log in the hands of somebody who can write it; closed when the test is finished. */
export function tamperWith(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  onTestFinished(() => db.close())
  for (const table of ['streams', 'events', 'entries'])
    db.exec(`DROP TRIGGER ${table}_refuse_update; DROP TRIGGER ${table}_refuse_delete`)
  return db
}

export async function verifyFile(path: string, notes = new Notes()): Promise<Walk> {
  const log = new SqliteLog(path)
  try {
    return await verify(log, notes)
  } finally {
    notes.close()
    await log.close()
  }
}

/** Changes the metadata of the event at `position`, and computes its hash anew. */
export function forge(db: DatabaseSync, position: number, change: Partial<EventMetadata>): void {
  const event = eventAt(db, position)
  const changed = { ...event, metadata: { ...event.metadata, ...change } }
  const metadata = { ...changed.metadata, hash: eventHash(changed) }
  db.prepare('UPDATE events SET metadata = ? WHERE position = ?').run(JSON.stringify(metadata), position)
}

/** Computes the whole chain of the stream that is numbered `stream` in the file anew. */
export function forgeChain(db: DatabaseSync, stream: number): void {
  let prev: string | null = null
  for (const { position } of db
    .prepare('SELECT position FROM events WHERE stream = ? ORDER BY 1')
    .all(stream)) {
    forge(db, Number(position), { prev })
    prev = eventAt(db, Number(position)).metadata.hash
  }
}

export function eventAt(db: DatabaseSync, position: number): Omit<StoredEvent, 'position'> {
  const row = db
    .prepare(`SELECT s.name, revision, type, data, metadata FROM events e JOIN streams s ON s.id = e.stream
      WHERE position = ?`)
    .get(position)
  return {
    stream: String(row?.['name']),
    revision: Number(row?.['revision']),
    type: String(row?.['type']),
    data: parseJsonObject(String(row?.['data'])),
    metadata: EventMetadata.parse(JSON.parse(String(row?.['metadata']))),
  }
}
