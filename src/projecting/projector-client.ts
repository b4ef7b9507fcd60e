import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import type { GenerationProgress, Retried } from './projector.ts'
import type {
  OpenedGeneration,
  OpenedProjection,
  ProjectorData,
  ProjectorErrand,
  ProjectorReport,
} from './projector-thread.ts'

/** An errand that the projector could not do. */
export class ErrandFailed extends Error {
  override name = 'ErrandFailed'
  /** Whether a file was not as it was written. */
  readonly isDamage: boolean

  constructor(message: string, isDamage: boolean) {
    super(message)
    this.isDamage = isDamage
  }
}

export interface ProjectorEvents {
  readonly onProgress: (progress: readonly GenerationProgress[]) => void
  /** Hears of a generation whose file is not as it was written; nothing has it open in that thread any more. */
  readonly onDamaged: (name: string, number: number, reason: string) => void
}

type Done = OpenedGeneration | Retried | null

/** The thread that keeps generations up, as another thread asks it. */
export class ProjectorClient {
  readonly opened: readonly OpenedProjection[]
  readonly #thread: Worker
  readonly #asked = new Map<number, PromiseWithResolvers<Done>>()
  #failed: string | null = null
  #asking = 0

  /** Rejects where a generation's file is not to be used. */
  static async start(data: ProjectorData, thread: Worker, events: ProjectorEvents): Promise<ProjectorClient> {
    thread.postMessage(data)
    const [report]: ProjectorReport[] = await once(thread, 'message')
    if (report === undefined || !('opened' in report))
      throw new Error('the projector did not say what it opened')
    return new ProjectorClient(report.opened, thread, events)
  }

  private constructor(
    opened: readonly OpenedProjection[],
    thread: Worker,
    { onProgress, onDamaged }: ProjectorEvents,
  ) {
    this.opened = opened
    this.#thread = thread
    thread.on('message', (report: ProjectorReport) => {
      if ('progress' in report) onProgress(report.progress)
      else if ('damaged' in report)
        onDamaged(report.damaged.name, report.damaged.number, report.damaged.reason)
      else if ('id' in report) this.#answered(report)
    })
    thread.on('error', (error) => {
      this.#failed = `the projector failed: ${error.name}`
      this.#giveUp(this.#failed)
    })
  }

  /** Why the thread is no more; null while it runs. */
  get failed(): string | null {
    return this.#failed
  }

  /** Keeps one more up. Rejects with `ErrandFailed`, as do the others. */
  async adopt(name: string, number: number): Promise<OpenedGeneration> {
    const done = await this.#ask('adopt', name, number)
    if (done === null || !('path' in done)) throw new Error('the projector did not say what it opened')
    return done
  }

  /** Closes a generation and deletes it. */
  async drop(name: string, number: number): Promise<void> {
    await this.#ask('drop', name, number)
  }

  /** Lets a generation that was held be read. */
  async release(name: string, number: number): Promise<void> {
    await this.#ask('release', name, number)
  }

  /** Handles again what waits. */
  async retry(name: string, number: number): Promise<Retried> {
    const done = await this.#ask('retry', name, number)
    if (done === null || !('released' in done)) throw new Error('the projector did not say what it retried')
    return done
  }

  async close(): Promise<void> {
    if (this.#failed === null) {
      this.#thread.postMessage('stop')
      await once(this.#thread, 'exit')
    }
    this.#giveUp('the projector has stopped')
  }

  #ask(errand: ProjectorErrand['errand'], name: string, number: number): Promise<Done> {
    if (this.#failed !== null) return Promise.reject(new ErrandFailed(this.#failed, false))
    const id = ++this.#asking
    const asked = Promise.withResolvers<Done>()
    this.#asked.set(id, asked)
    const message: ProjectorErrand = { id, errand, name, number }
    this.#thread.postMessage(message)
    return asked.promise
  }

  #answered(report: Extract<ProjectorReport, { id: number }>): void {
    const asked = this.#asked.get(report.id)
    this.#asked.delete(report.id)
    if ('done' in report) asked?.resolve(report.done)
    else asked?.reject(new ErrandFailed(report.failed, report.isDamage))
  }

  #giveUp(reason: string): void {
    for (const { reject } of this.#asked.values()) reject(new ErrandFailed(reason, false))
    this.#asked.clear()
  }
}
