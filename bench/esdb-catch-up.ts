/**
 * Runs as a process of its own: `node bench/esdb-catch-up.ts <url> <rounds>`. Reads what the ledger has stored there,
 * twice a round: by a bare subscription that parses and inserts the rows of all projections, and by the projector. Prints
 * one line of JSON: events a second, medians.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  type AllStreamRecordedEvent,
  type AllStreamResolvedEvent,
  EventStoreDBClient,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import { projections } from '../projections/index.ts'
import { Names } from '../src/event-store/eventstoredb/entries.ts'
import { EventStoreDbLog } from '../src/event-store/eventstoredb/eventstoredb-log.ts'
import { positionOf } from '../src/event-store/eventstoredb/position.ts'
import { EventMetadata, type Position, STREAM_PREFIXES, type StoredEvent } from '../src/ledger/event.ts'
import { interpret } from '../src/ledger/interpret.ts'
import { isJsonObject } from '../src/ledger/json.ts'
import { Generation } from '../src/projecting/generation.ts'
import { Projector } from '../src/projecting/projector.ts'

const [url = '', rounds = ''] = process.argv.slice(2)
const MOST_EVENTS = 40_000
const PAGE = 2_000

const log = new EventStoreDbLog({ url })
const id = await log.id()
const page = await log.readAll(null, 1)
let last = page.at(-1)?.position ?? ''
let there = page.length
while (there < MOST_EVENTS) {
  const more = await log.readAll(last, PAGE)
  if (more.length === 0) break
  there += more.length
  last = more.at(-1)?.position ?? last
}

/** What the client gives, with its data and metadata parsed. */
function storedEventOf({
  streamId,
  revision,
  position,
  type,
  data,
  metadata,
}: AllStreamRecordedEvent): StoredEvent {
  if (!isJsonObject(data)) throw new TypeError('not one of the ledger')
  const place = { commit: Number(position.commit), prepare: Number(position.prepare) }
  return {
    stream: streamId,
    revision: Number(revision),
    position: positionOf(place),
    type,
    data,
    metadata: EventMetadata.parse(metadata),
  }
}

async function bare(folder: string): Promise<number> {
  const names = new Names('')
  const client = EventStoreDBClient.connectionString(url)
  const files = Object.values(projections).map((projection) => {
    const db = new DatabaseSync(join(folder, `${projection.name}.sqlite`))
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    db.exec(projection.schema)
    return { db, projection: projection.open(db) }
  })
  const subscription = client.subscribeToAll({
    fromPosition: START,
    filter: streamNameFilter({ prefixes: [...STREAM_PREFIXES] }),
  })
  const begun = performance.now()
  let handled = 0
  let batch: AllStreamResolvedEvent[] = []
  const insert = () => {
    const events = batch.flatMap(({ event }) => (event === undefined ? [] : [storedEventOf(event)]))
    for (const { db, projection } of files) {
      db.exec('BEGIN')
      for (const event of events) projection.handle(interpret(event), event)
      db.exec('COMMIT')
    }
    handled += events.length
    batch = []
  }
  for await (const resolved of subscription) {
    if (resolved.event === undefined || !names.isTold(resolved.event.streamId)) continue
    batch.push(resolved)
    if (batch.length === PAGE) insert()
    // What is left of a page too.
    if (handled + batch.length >= there) insert()
    if (handled >= there) break
  }
  const seconds = (performance.now() - begun) / 1000
  for (const { db } of files) db.close()
  return handled / seconds
}

async function ledger(folder: string): Promise<number> {
  const generations = Object.values(projections).map((projection) => Generation.make(folder, projection, id))
  const reader = new EventStoreDbLog({ url })
  const enough = new AbortController()
  const begun = performance.now()
  const projector = new Projector({
    // Up to the same event as the other.
    log: {
      id: () => reader.id(),
      start: reader.start,
      readStream: (...range) => reader.readStream(...range),
      readAll: (...range) => reader.readAll(...range),
      head: async () => last,
      countBehind: (after) => reader.countBehind(after),
      waitBehind: (after, signal) => reader.waitBehind(after, signal),
      isPosition: (text): text is Position => reader.isPosition(text),
      close: () => reader.close(),
    },
    generations,
    onDamaged: (_, reason) => {
      throw new Error(reason)
    },
    onProgress: (progress) => {
      if (progress.every(({ checkpoint }) => checkpoint === last)) enough.abort()
    },
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  await projector.run(enough.signal)
  const seconds = (performance.now() - begun) / 1000
  await reader.close()
  return there / seconds
}

const rates: Record<'bare' | 'ledger', number[]> = { bare: [], ledger: [] }
for (let round = 0; round < Number(rounds); round++)
  for (const [name, measure] of [
    ['bare', bare],
    ['ledger', ledger],
  ] as const) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    rates[name].push(await measure(folder))
    rmSync(folder, { recursive: true })
  }
const middle = (of: number[]) => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0
console.log(JSON.stringify({ bare: middle(rates.bare), ledger: middle(rates.ledger) }))
process.exit(0)
