import { type EventLog, StoreError } from '../event-store/event-store.ts'
import type { Position } from '../ledger/event.ts'
import { backoff, untilAborted } from '../waiting.ts'
import { Errands } from './errands.ts'
import type { Generation } from './generation.ts'
import { isDamage } from './generation-file.ts'
import type { Reading } from './generation-rows.ts'
import { nextPages, reasonOf, streamReadings } from './pages.ts'

/** How far a projection is. */
export interface Progress {
  readonly name: string
  readonly checkpoint: Position | null
  readonly parked: number
  /** Why it stands still; null while it doesn't. It goes on by itself when the cause is gone. */
  readonly halted: string | null
}

/** How far one of its generations is; sent to the thread that serves reads. */
export interface GenerationProgress extends Progress {
  readonly number: number
}

export interface ProjectorOptions {
  readonly log: EventLog
  readonly generations: Iterable<Generation>
  readonly onProgress: (progress: readonly GenerationProgress[]) => void
  /** Hears of a generation whose file is not as it was written. It is closed, and fed no more. */
  readonly onDamaged: (generation: Generation, reason: string) => void
  /** Waits that many milliseconds, or until the signal aborts. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** What became of the streams that waited in a generation. */
export interface Retried {
  readonly released: number
  readonly stillParked: number
}

/** Before a failed round is tried again, in milliseconds: twice as long after each that failed too. */
const RETRY_MS = { first: 250, most: 2_000 }
/**
 * Between rounds that reach the head: at least this long, in milliseconds, at most that long, and otherwise so many times
 * as long as the round took. What is appended meanwhile is handled together, which costs less; and under heavy load the
 * processor is left to taking deliveries, which can be lost, where a projection only falls behind for a moment.
 */
const PAUSE_MS = { least: 2, most: 500, ofRound: 2 }

/**
 * Feeds the log to all generations, for as long as it runs. They go in rounds up to a common head, those at the same
 * checkpoint sharing what is read; so one that is behind catches up without holding up the others.
 */
export class Projector {
  readonly #options: ProjectorOptions
  readonly #errands = new Errands()
  #generations: Generation[] = []
  readonly #halted = new Map<Generation, string>()
  /** Why the log can't be read; null while it can. */
  #away: string | null = null

  constructor(options: ProjectorOptions) {
    this.#options = options
    for (const generation of options.generations) this.#add(generation)
  }

  /** Until the signal aborts; then the generations are closed. */
  async run(signal: AbortSignal): Promise<void> {
    const { pause } = this.#options
    const wake = () => this.#errands.wake()
    signal.addEventListener('abort', wake)
    this.#report()
    let failed = 0
    while (!signal.aborted) {
      const disturbed = await this.#errands.run()
      const begun = performance.now()
      const { moved, behind } = await this.#round()
      const wanted = (performance.now() - begun) * PAUSE_MS.ofRound
      const halted = this.#away !== null || this.#halted.size > 0
      failed = halted && !moved ? failed + 1 : 0
      // Told to stop before it could hear it.
      if (signal.aborted) break
      if (halted) await pause(backoff(failed, RETRY_MS), disturbed)
      else if (!moved) await this.#idle(disturbed)
      // Behind the head it does not rest, but lets messages in: it may have been told to stop.
      else await pause(behind ? 0 : Math.min(Math.max(wanted, PAUSE_MS.least), PAUSE_MS.most), disturbed)
    }
    signal.removeEventListener('abort', wake)
    for (const generation of this.#generations) generation.close()
  }

  /** Keeps one more up with the log. */
  adopt(open: () => Generation): Promise<Generation> {
    return this.#errands.ask(() => {
      const generation = open()
      this.#add(generation)
      // Where it is at the head already, no round would say how far it is.
      this.#report()
      return generation
    })
  }

  /** Closes a generation and deletes it. */
  drop(name: string, number: number): Promise<void> {
    return this.#errands.ask(() => {
      const generation = this.#find(name, number)
      if (generation === undefined) return
      this.#forget(generation)
      generation.discard()
    })
  }

  /** Lets a generation that was held be read. */
  release(name: string, number: number): Promise<void> {
    return this.#errands.ask(() => this.#find(name, number)?.release())
  }

  /** Handles again, in order, what waits in a generation. Rejects with `StoreError` where the log can't be read. */
  retry(name: string, number: number): Promise<Retried> {
    return this.#errands.ask(async () => {
      const generation = this.#find(name, number)
      let released = 0
      for (const { stream, revision } of generation?.parkedStreams() ?? [])
        if (generation !== undefined && (await this.#retryStream(generation, stream, revision))) released++
      this.#report()
      return { released, stillParked: generation?.parked ?? 0 }
    })
  }

  async #retryStream(generation: Generation, stream: string, revision: number): Promise<boolean> {
    try {
      const waiting = streamReadings(this.#options.log, stream, revision, generation.checkpoint)
      return await generation.retry(stream, waiting)
    } catch (error) {
      // Something stands in the stream that is no event: that is why it waits.
      if (error instanceof StoreError && error.code === 'store-damaged') return false
      throw error
    }
  }

  // Whether it handled anything, and whether it left something that was there when it began.
  async #round(): Promise<{ moved: boolean; behind: boolean }> {
    let moved = false
    let behind = false
    try {
      for await (const { generations, readings, reachesHead } of nextPages(
        this.#options.log,
        this.#generations,
      )) {
        for (const generation of generations) moved = this.#feed(generation, readings) || moved
        if (!reachesHead) behind = true
      }
      this.#away = null
    } catch (error) {
      this.#away = reasonOf(error)
    }
    if (moved || this.#away !== null || this.#halted.size > 0) this.#report()
    return { moved, behind }
  }

  #feed(generation: Generation, readings: readonly Reading[]): boolean {
    try {
      generation.handle(readings)
      this.#halted.delete(generation)
      return readings.length > 0
    } catch (error) {
      if (isDamage(error)) {
        this.#forget(generation)
        generation.close()
        this.#options.onDamaged(generation, reasonOf(error))
      } else this.#halted.set(generation, reasonOf(error))
      return false
    }
  }

  async #idle(disturbed: AbortSignal): Promise<void> {
    if (this.#generations.length > 0)
      await this.#options.log.waitBehind(this.#lowest(), disturbed).catch(() => {})
    else await untilAborted(disturbed)
  }

  #lowest(): Position | null {
    let lowest: Position | null | undefined
    for (const { checkpoint } of this.#generations)
      if (lowest === undefined || checkpoint === null || (lowest !== null && checkpoint < lowest))
        lowest = checkpoint
    return lowest ?? null
  }

  // The newer first: of two generations of a projection that stand together, the one that will take over is never behind.
  #add(generation: Generation): void {
    this.#generations = [generation, ...this.#generations].toSorted((a, b) => b.number - a.number)
  }

  #forget(generation: Generation): void {
    this.#generations = this.#generations.filter((one) => one !== generation)
    this.#halted.delete(generation)
  }

  #find(name: string, number: number): Generation | undefined {
    return this.#generations.find((one) => one.name === name && one.number === number)
  }

  #report(): void {
    this.#options.onProgress(
      this.#generations.map((generation) => ({
        name: generation.name,
        number: generation.number,
        checkpoint: generation.checkpoint,
        parked: generation.parked,
        halted: this.#halted.get(generation) ?? this.#away,
      })),
    )
  }
}
