import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import type { EventLog } from '../../src/event-store/event-store.ts'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { Generation } from '../../src/projecting/generation.ts'
import { readingOf } from '../../src/projecting/pages.ts'
import type { AnyProjection } from '../../src/projecting/projection.ts'
import { MemoryLog } from '../copying/memory-log.ts'
import { delivery, instant, Log, message, optIn, optOut } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** Folds a log into a generation of a projection, so many events at a time, and closes it. */
export async function builtFrom(
  log: EventLog,
  projection: AnyProjection,
  { folder = temporaryFolder(), page = 10_000 } = {},
): Promise<Generation> {
  const generation = Generation.make(folder, projection, await log.id())
  try {
    for (;;) {
      const entries = await log.readAll(generation.checkpoint, page)
      if (entries.length === 0) return generation
      generation.handle(entries.map(readingOf))
    }
  } finally {
    generation.close()
  }
}

/** What is told of `subscribers`: each opts in and out, writes twice, is told of twice, and something names nobody. */
export function someEvents(subscribers = 4): StoredEvent[] {
  const log = new Log()
  for (let number = 0; number < subscribers; number++) {
    const id = {
      subscriber_id: `s_${number}`,
      phone_number: `+1555010${1000 + number}`,
      email: `${number}@example.com`,
    }
    for (const body of [
      optOut('2026-03-03T10:00:00', id),
      optIn('2026-03-01T10:00:00', id),
      message('2026-03-02T10:00:00', { ...id, id: `im_${number}`, body: 'Größe 13? "\\ \u0007 😀' }),
      message('2026-03-02T10:00:00', { ...id, id: `im_${number}`, body: 'told differently' }),
      message('2026-03-04T10:00:00', { ...id, id: `im_${number}_stop`, body: 'STOP please' }),
      delivery('shop.incoming_message', { body: `from nobody ${number}` }),
    ])
      log.receive(body, instant('2026-03-05T12:00:00'))
  }
  return log.events
}

export function logWith(events: readonly StoredEvent[], page?: number): MemoryLog {
  const log = new MemoryLog(page === undefined ? {} : { page })
  log.add(...events)
  return log
}

/** The file of a generation in the hands of somebody who can write it; closed when the test is finished. */
export function tamperWith({ path }: { readonly path: string }): DatabaseSync {
  const db = new DatabaseSync(path)
  onTestFinished(() => {
    if (db.isOpen) db.close()
  })
  return db
}
