/**
 * Runs as a process of its own: `node bench/rebuild-loop.ts <log> bare|ledger <projection,…>`. Builds the projections from
 * the whole log once: by a bare loop that reads, parses and inserts the same rows, or by the ledger's builder. Prints one
 * line of JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { type ProjectionName, projections } from '../projections/index.ts'
import { systemClock } from '../src/clock.ts'
import { SqliteLog } from '../src/event-store/sqlite/sqlite-log.ts'
import type { StoredEvent } from '../src/ledger/event.ts'
import { interpret } from '../src/ledger/interpret.ts'
import { Builder } from '../src/projecting/builder.ts'

const [path = '', who = '', names = ''] = process.argv.slice(2)
const Name = z.custom<ProjectionName>((name) => typeof name === 'string' && name in projections)
const wanted = names.split(',').map((name) => projections[Name.parse(name)])
const folder = mkdtempSync(join(dirname(path), 'bench-'))

/** Trusts what it reads, and commits as the builder does. */
function bare(): number {
  const log = new DatabaseSync(path, { readOnly: true })
  const files = wanted.map((projection) => {
    const db = new DatabaseSync(join(folder, `${projection.name}.sqlite`))
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384')
    db.exec(projection.schema)
    return { db, projection: projection.open(db) }
  })
  const rows = log.prepare(`SELECT e.position, s.name AS stream, e.revision, e.type, e.data, e.metadata
    FROM events e JOIN streams s ON s.id = e.stream WHERE e.position > ? ORDER BY e.position LIMIT 4000`)
  let handled = 0
  for (;;) {
    const page = rows.all(handled)
    if (page.length === 0) break
    const events = page.map(
      ({ position, stream, revision, type, data, metadata }): StoredEvent => ({
        stream: String(stream),
        revision: Number(revision),
        position: String(position),
        type: String(type),
        data: JSON.parse(String(data)),
        metadata: JSON.parse(String(metadata)),
      }),
    )
    const facts = events.map((event) => ({ event, fact: interpret(event) }))
    for (const { db, projection } of files) {
      db.exec('BEGIN')
      for (const { event, fact } of facts) projection.handle(fact, event)
      db.exec('COMMIT')
    }
    handled += page.length
  }
  for (const { db } of files) db.close()
  log.close()
  return handled
}

async function ledger(): Promise<number> {
  const log = new SqliteLog(path)
  const enough = new AbortController()
  let left = wanted.length
  const builder = new Builder({
    log,
    folder,
    clock: systemClock(),
    onProgress: () => {},
    onBuilt: () => {
      if (--left === 0) enough.abort()
    },
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  const running = builder.run(enough.signal)
  await Promise.all(wanted.map((projection) => builder.begin(projection, { held: false })))
  await running
  const events = await log.countBehind(null)
  await log.close()
  return events
}

const begun = performance.now()
const events = who === 'bare' ? bare() : await ledger()
const seconds = (performance.now() - begun) / 1000
rmSync(folder, { recursive: true })
const residentMb = process.resourceUsage().maxRSS / 1024
console.log(JSON.stringify({ events, seconds, residentMb }))
