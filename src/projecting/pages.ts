import { type EventLog, eventOf, type LogEntry } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import { interpret } from '../ledger/interpret.ts'
import { isSqliteError } from '../sqlite.ts'
import type { Generation } from './generation.ts'
import type { Reading } from './generation-rows.ts'

const PAGE = 4_000

/** What generations that stand at one place are to be fed next. */
export interface Page {
  readonly generations: readonly Generation[]
  /** Empty at the head. */
  readonly readings: readonly Reading[]
  /** Whether it is the last one of what the log held when it was asked. */
  readonly reachesHead: boolean
}

/**
 * One page for each place at which there are generations: those at the same one share what is read, and none is given
 * anything behind the head as it was at first, so that all meet there.
 */
export async function* nextPages(log: EventLog, generations: readonly Generation[]): AsyncGenerator<Page> {
  const id = await log.id()
  const head = await log.head()
  for (const generation of generations) generation.bind(id)
  for (const [checkpoint, group] of Map.groupBy(generations, (generation) => generation.checkpoint)) {
    if (head === null || checkpoint === head) yield { generations: group, readings: [], reachesHead: true }
    else {
      const readings = (await log.readAll(checkpoint, PAGE, head)).map(readingOf)
      const last = readings.at(-1)
      yield { generations: group, readings, reachesHead: last === undefined || last.entry.position === head }
    }
  }
}

/** What is left of a stream from a revision on, none of it behind `upTo`. */
export async function* streamReadings(
  log: EventLog,
  stream: string,
  from: number,
  upTo: Position | null,
): AsyncGenerator<Reading> {
  const limit = 500
  for (let next = from; ; next += limit) {
    const page = await log.readStream(stream, next, limit)
    for (const event of page) {
      if (upTo === null || event.position > upTo) return
      yield readingOf(event)
    }
    if (page.length < limit) return
  }
}

/** Why a generation stands still, in words for people. An error of SQLite tells of files and pages, never of what is in them. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error && (isSqliteError(error) || 'code' in error)) return error.message
  return error instanceof Error ? error.name : 'unknown'
}

/** What an entry says; or why that can't be read. */
export function readingOf(entry: LogEntry): Reading {
  try {
    return { entry, fact: interpret(eventOf(entry)) }
  } catch (error) {
    return { entry, fact: error instanceof Error ? error : new Error('unreadable') }
  }
}
