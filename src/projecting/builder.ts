import type { Clock } from '../clock.ts'
import type { EventLog } from '../event-store/event-store.ts'
import type { Instant } from '../ledger/instant.ts'
import { backoff, untilAborted } from '../waiting.ts'
import { Errands } from './errands.ts'
import { Generation } from './generation.ts'
import { isDamage } from './generation-file.ts'
import type { Reading } from './generation-rows.ts'
import { nextPages, reasonOf } from './pages.ts'
import type { AnyProjection } from './projection.ts'

/** How far a build is. */
export interface BuildProgress {
  readonly name: string
  readonly handled: number
  readonly total: number
  readonly startedAt: Instant
  readonly eventsPerSecond: number
  /** Why it stands still; null while it doesn't. It goes on by itself when the cause is gone. */
  readonly problem: string | null
}

export interface BuilderOptions {
  readonly log: EventLog
  /** Where the generations are. */
  readonly folder: string
  readonly clock: Clock
  readonly onProgress: (progress: readonly BuildProgress[]) => void
  /** Hears of a generation that is whole, durable and closed. */
  readonly onBuilt: (name: string, number: number) => void
  /** Waits that many milliseconds, or until the signal aborts. */
  readonly pause: (milliseconds: number, signal: AbortSignal) => Promise<void>
}

/** How a generation is asked for. */
export interface BuildOrder {
  /** Whether it is not to be read until somebody says so. */
  readonly held: boolean
  /** Its number is higher: numbers tell builds apart, so that of one that is gone is not given again. */
  readonly above?: number
}

interface Build {
  readonly projection: AnyProjection
  readonly order: BuildOrder
  readonly startedAt: Instant
  begun: number
  /** Null until its file could be made. */
  generation: Generation | null
  handled: number
  total: number
  problem: string | null
}

/** Those who are asked for within this time, in milliseconds, begin together, and so share what is read of the log. */
const GATHER_MS = 50
const REPORT_EVERY_MS = 200
/** Before what failed is tried again, in milliseconds: twice as long after each time that failed too. */
const RETRY_MS = { first: 250, most: 5_000 }

/**
 * Builds generations from the beginning of the log up to its head, as fast as it can. All that stand at one place share
 * what is read: those that were asked for together take one pass.
 */
export class Builder {
  readonly #options: BuilderOptions
  readonly #errands = new Errands()
  readonly #builds = new Map<string, Build>()
  #reported = 0

  constructor(options: BuilderOptions) {
    this.#options = options
  }

  begin(projection: AnyProjection, order: BuildOrder): Promise<void> {
    return this.#errands.ask(() => {
      this.#builds.set(projection.name, {
        projection,
        order,
        startedAt: this.#options.clock(),
        begun: performance.now(),
        generation: null,
        handled: 0,
        total: 0,
        problem: null,
      })
    })
  }

  /** Leaves nothing behind of a build; one that is finished already is not undone. */
  cancel(name: string): Promise<void> {
    return this.#errands.ask(() => {
      this.#builds.get(name)?.generation?.discard()
      this.#builds.delete(name)
    })
  }

  /** Until the signal aborts. What is not finished then keeps its file, by which the next start knows of it. */
  async run(signal: AbortSignal): Promise<void> {
    const { pause } = this.#options
    const wake = () => this.#errands.wake()
    signal.addEventListener('abort', wake)
    let failed = 0
    while (!signal.aborted) {
      const disturbed = await this.#errands.run()
      if (signal.aborted) break
      if (this.#builds.size === 0) {
        await untilAborted(disturbed)
        continue
      }
      if ([...this.#builds.values()].some(({ generation }) => generation === null))
        await pause(GATHER_MS, signal)
      await this.#errands.run()
      const moved = await this.#round()
      failed = moved ? 0 : failed + 1
      if (failed > 0) await pause(backoff(failed, RETRY_MS), disturbed)
      // Lets messages in.
      else await pause(0, signal)
    }
    signal.removeEventListener('abort', wake)
    for (const { generation } of this.#builds.values()) generation?.close()
  }

  // Whether anything went on.
  async #round(): Promise<boolean> {
    let moved = false
    try {
      const builds = await this.#openBuilds()
      for await (const { generations, readings, reachesHead } of nextPages(this.#options.log, [
        ...builds.keys(),
      ]))
        for (const generation of generations) {
          const build = builds.get(generation)
          if (build !== undefined) moved = this.#feed(build, generation, readings, reachesHead) || moved
        }
      await this.#report(moved)
    } catch (error) {
      for (const build of this.#builds.values()) build.problem = reasonOf(error)
      this.#tell()
    }
    return moved
  }

  async #openBuilds(): Promise<Map<Generation, Build>> {
    const { log, folder } = this.#options
    const id = await log.id()
    const open = new Map<Generation, Build>()
    for (const build of this.#builds.values())
      try {
        build.generation ??= Generation.build(folder, build.projection, id, {
          ...build.order,
          startedAt: build.startedAt,
        })
        open.set(build.generation, build)
      } catch (error) {
        build.problem = reasonOf(error)
      }
    return open
  }

  #feed(build: Build, generation: Generation, readings: readonly Reading[], reachesHead: boolean): boolean {
    try {
      generation.handle(readings)
      build.handled += readings.length
      build.problem = null
      if (reachesHead) this.#finish(build, generation)
      return true
    } catch (error) {
      build.problem = reasonOf(error)
      // What was written without waiting for the disk is not to be trusted after it failed, nor mended.
      if (isDamage(error) || !generation.isOpen) {
        generation.discard()
        build.generation = null
        build.handled = 0
        build.begun = performance.now()
      }
      return false
    }
  }

  #finish({ projection, handled }: Build, generation: Generation): void {
    generation.complete(handled)
    this.#builds.delete(projection.name)
    this.#options.onBuilt(projection.name, generation.number)
  }

  async #report(moved: boolean): Promise<void> {
    const now = performance.now()
    if (moved && now - this.#reported < REPORT_EVERY_MS) return
    this.#reported = now
    for (const build of this.#builds.values())
      build.total =
        build.handled + (await this.#options.log.countBehind(build.generation?.checkpoint ?? null))
    this.#tell()
  }

  #tell(): void {
    const now = performance.now()
    this.#options.onProgress(
      Array.from(this.#builds.values(), ({ projection, handled, total, startedAt, begun, problem }) => ({
        name: projection.name,
        handled,
        total,
        startedAt,
        eventsPerSecond: Math.round(handled / Math.max(0.001, (now - begun) / 1000)),
        problem,
      })),
    )
  }
}
