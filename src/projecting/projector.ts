import { type EventLog, eventOf, type LogEntry } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import { interpret } from '../ledger/interpret.ts'
import { isSqliteError } from '../sqlite.ts'
import type { Generation, Reading } from './generation.ts'

/** How far one projection is; sent to the thread that serves reads. */
export interface Progress {
  readonly name: string
  readonly checkpoint: Position | null
  readonly parked: number
  /** Why it stands still; null while it doesn't. It goes on by itself when the cause is gone. */
  readonly halted: string | null
}

export interface ProjectorOptions {
  readonly log: EventLog
  readonly generations: ReadonlyMap<string, Generation>
  readonly onProgress: (progress: readonly Progress[]) => void
  /** Waits that many milliseconds, or until the signal aborts. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

const PAGE = 10_000
/** Before a failed round is tried again, in milliseconds: twice as long after each that failed too. */
const RETRY_MS = { first: 250, most: 2_000 }
/**
 * Between rounds that reach the head: at least this long, in milliseconds, at most that long, and otherwise so many times
 * as long as the round took. What is appended meanwhile is handled together, which costs less; and under heavy load the
 * processor is left to taking deliveries, which can be lost, where a projection only falls behind for a moment.
 */
const PAUSE_MS = { least: 2, most: 500, ofRound: 2 }

/**
 * Feeds the log to all projections, for as long as it runs. They go in rounds up to a common head, those at the same
 * checkpoint sharing what is read; so one that starts from nothing catches up without holding up the others.
 */
export class Projector {
  readonly #options: ProjectorOptions
  readonly #halted = new Map<string, string>()

  constructor(options: ProjectorOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal): Promise<void> {
    const { log, pause } = this.#options
    this.#report()
    let failed = 0
    while (!signal.aborted) {
      const begun = performance.now()
      const { moved, behind } = await this.#round()
      const wanted = (performance.now() - begun) * PAUSE_MS.ofRound
      failed = this.#halted.size > 0 && !moved ? failed + 1 : 0
      if (this.#halted.size > 0)
        await pause(Math.min(RETRY_MS.first * 2 ** (failed - 1), RETRY_MS.most), signal)
      else if (!moved) await log.waitBehind(this.#lowest(), signal).catch(() => {})
      // Behind the head it does not rest, but lets messages in: it may have been told to stop.
      else await pause(behind ? 0 : Math.min(Math.max(wanted, PAUSE_MS.least), PAUSE_MS.most), signal)
    }
  }

  // Whether it handled anything, and whether it left something that was there when it began.
  async #round(): Promise<{ moved: boolean; behind: boolean }> {
    const { log, generations } = this.#options
    let moved = false
    let behind = false
    try {
      const id = await log.id()
      const head = await log.head()
      for (const generation of generations.values()) generation.bind(id)
      for (const group of byCheckpoint(generations).values()) {
        const checkpoint = group[0]?.[1].checkpoint ?? null
        // Nothing behind the head as it was read, so that groups meet there and become one.
        if (head === null || checkpoint === head) continue
        const readings = (await log.readAll(checkpoint, PAGE, head)).map(readingOf)
        for (const [name, generation] of group) moved = this.#feed(name, generation, readings) || moved
        if (readings.at(-1)?.entry.position !== head) behind = true
      }
      this.#halted.delete('')
    } catch (error) {
      this.#halted.set('', reasonOf(error))
    }
    if (moved || this.#halted.size > 0) this.#report()
    return { moved, behind }
  }

  #feed(name: string, generation: Generation, readings: readonly Reading[]): boolean {
    try {
      generation.handle(readings)
      this.#halted.delete(name)
      return readings.length > 0
    } catch (error) {
      this.#halted.set(name, reasonOf(error))
      return false
    }
  }

  #lowest(): Position | null {
    let lowest: Position | null | undefined
    for (const { checkpoint } of this.#options.generations.values())
      if (lowest === undefined || checkpoint === null || (lowest !== null && checkpoint < lowest))
        lowest = checkpoint
    return lowest ?? null
  }

  #report(): void {
    this.#options.onProgress(
      Array.from(this.#options.generations, ([name, { checkpoint, parked }]) => ({
        name,
        checkpoint,
        parked,
        halted: this.#halted.get(name) ?? this.#halted.get('') ?? null,
      })),
    )
  }
}

function readingOf(entry: LogEntry): Reading {
  try {
    return { entry, fact: interpret(eventOf(entry)) }
  } catch (error) {
    return { entry, fact: error instanceof Error ? error : new Error('unreadable') }
  }
}

function byCheckpoint(
  generations: ReadonlyMap<string, Generation>,
): Map<Position | null, [string, Generation][]> {
  return Map.groupBy(generations, ([, { checkpoint }]) => checkpoint)
}

// An error of SQLite tells of files and pages, never of what is in them.
function reasonOf(error: unknown): string {
  if (error instanceof Error && (isSqliteError(error) || 'code' in error)) return error.message
  return error instanceof Error ? error.name : 'unknown'
}
