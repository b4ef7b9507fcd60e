import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { systemClock } from '../clock.ts'
import type { BuildOrder, BuildProgress } from './builder.ts'
import type { BuilderErrand, BuilderReport } from './builder-thread.ts'
import { deleteGeneration, homeOf } from './generation-file.ts'
import type { ProjectorData } from './projector-thread.ts'
import { startBuilderThread } from './thread.ts'

interface Build {
  readonly order: BuildOrder
  progress: BuildProgress
  /** Told when nothing is left of it; null while nobody has cancelled it. */
  cancelled: PromiseWithResolvers<void> | null
}

/** Before a thread that failed is replaced, in milliseconds. */
const REPLACE_MS = 2_000

/**
 * In megabytes: what the builder reads is garbage at once, and would be left lying about as long as there is room. What
 * has come from EventStoreDB and waits to be handled takes more.
 */
const HEAP_MB = { sqlite: 64, eventstoredb: 192 }

/** The generations that are being built, as the thread that serves HTTP has them. Without one there is no builder thread. */
export class Builds {
  readonly #data: ProjectorData
  readonly #onBuilt: (name: string, number: number, held: boolean) => void
  readonly #builds = new Map<string, Build>()
  readonly #closing = new AbortController()
  readonly #ending = new Set<Promise<unknown>>()
  #thread: Worker | null = null
  #heapMb: number

  constructor(
    data: ProjectorData,
    onBuilt: (name: string, number: number, held: boolean) => void,
    heapMb = HEAP_MB[data.location.engine],
  ) {
    this.#data = data
    this.#onBuilt = onBuilt
    this.#heapMb = heapMb
  }

  begin(name: string, order: BuildOrder): void {
    const progress = {
      name,
      handled: 0,
      total: 0,
      startedAt: systemClock()(),
      eventsPerSecond: 0,
      problem: null,
    }
    this.#builds.set(name, { order, progress, cancelled: null })
    this.#tell({ begin: name, order })
  }

  /** How far one is, null where it is not being built. */
  find(name: string): (BuildProgress & { readonly held: boolean }) | null {
    const build = this.#builds.get(name)
    return build === undefined ? null : { ...build.progress, held: build.order.held }
  }

  /** Resolves when nothing is left of it. */
  async cancel(name: string): Promise<void> {
    const build = this.#builds.get(name)
    if (build === undefined) return
    if (build.cancelled === null) {
      build.cancelled = Promise.withResolvers()
      this.#tell({ cancel: name })
    }
    await build.cancelled.promise
  }

  /** What is being built then is begun again by the next start. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#endThread()
    await Promise.all(this.#ending)
    for (const { cancelled } of this.#builds.values()) cancelled?.resolve()
  }

  #tell(errand: BuilderErrand): void {
    if (this.#closing.signal.aborted) return
    this.#thread ??= this.#startThread()
    this.#thread.postMessage(errand)
  }

  #startThread(): Worker {
    const thread = startBuilderThread(this.#heapMb)
    thread.postMessage(this.#data)
    thread.on('message', (report: BuilderReport) => this.#heard(report))
    thread.on('error', (error) => {
      if (this.#thread !== thread) return
      this.#thread = null
      // With as much room the next one would come as far and no further.
      if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') this.#heapMb *= 2
      this.#replaceThread(error).catch(() => {})
    })
    return thread
  }

  async #replaceThread(error: Error): Promise<void> {
    for (const [name, build] of this.#builds) {
      build.progress = { ...build.progress, problem: `the builder failed: ${error.name}` }
      if (build.cancelled !== null) this.#forget(name, build)
    }
    await delay(REPLACE_MS, undefined, { signal: this.#closing.signal, ref: false })
    for (const [begin, { order }] of this.#builds) this.#tell({ begin, order })
  }

  #endThread(): void {
    const thread = this.#thread
    if (thread === null) return
    this.#thread = null
    const ended = once(thread, 'exit')
      .catch(() => {})
      .finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
    thread.postMessage('stop')
  }

  #heard(report: BuilderReport): void {
    if ('building' in report)
      for (const progress of report.building) {
        const build = this.#builds.get(progress.name)
        if (build !== undefined) build.progress = progress
      }
    if ('built' in report) this.#built(report.built.name, report.built.number)
    if ('cancelled' in report) {
      const build = this.#builds.get(report.cancelled)
      if (build !== undefined) this.#forget(report.cancelled, build)
    }
  }

  #built(name: string, number: number): void {
    const build = this.#builds.get(name)
    // It was finished while it was being told that it was cancelled.
    if (build === undefined || build.cancelled !== null)
      deleteGeneration(homeOf(this.#data.folder, name), number)
    else {
      this.#forget(name, build)
      this.#onBuilt(name, number, build.order.held)
    }
  }

  #forget(name: string, { cancelled }: Build): void {
    this.#builds.delete(name)
    cancelled?.resolve()
    if (this.#builds.size === 0) this.#endThread()
  }
}
