import { once } from 'node:events'
import type { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { type ProjectionName, projectionNames, projections, type Queries } from '../../projections/index.ts'
import type { Position } from '../ledger/event.ts'
import { GenerationReader } from './generation.ts'
import type { Progress } from './projector.ts'
import type { ProjectorData, ProjectorReport } from './projector-thread.ts'
import { startProjectorThread } from './thread.ts'

/** What one read sees: rows, and how far in the log they go, both of one moment. */
export interface ReadView<Name extends ProjectionName> {
  readonly queries: Queries<Name>
  readonly position: Position | null
  /** Whether events of this stream wait because the projection could not handle one. */
  readonly isParked: (stream: string) => boolean
}

interface Open<Name extends ProjectionName> {
  readonly generation: GenerationReader
  readonly queries: Queries<Name>
}

interface Waiting {
  readonly name: ProjectionName
  readonly position: Position
  readonly resolve: (reached: boolean) => void
}

/** The projections as the thread that serves HTTP has them: read here, written by a thread of their own. */
export class ReadModels {
  readonly #thread: Worker
  readonly #open: { readonly [Name in ProjectionName]: Open<Name> }
  readonly #progress = new Map<string, Progress>()
  readonly #waiting = new Set<Waiting>()
  #failed: string | null = null

  /** Starts projecting. Rejects where a generation's file is not to be used. */
  static async start(data: ProjectorData, thread = startProjectorThread()): Promise<ReadModels> {
    thread.postMessage(data)
    const [report]: ProjectorReport[] = await once(thread, 'message')
    if (report === undefined || !('opened' in report))
      throw new Error('the projector did not say what it opened')
    const paths = new Map(report.opened.map(({ name, path }) => [name, path]))
    return new ReadModels(thread, paths)
  }

  private constructor(thread: Worker, paths: ReadonlyMap<string, string>) {
    const open = <Name extends ProjectionName>(
      name: Name,
      queries: (db: DatabaseSync) => Queries<Name>,
    ): Open<Name> => {
      const generation = new GenerationReader(paths.get(name) ?? '')
      return { generation, queries: queries(generation.db) }
    }
    this.#thread = thread
    this.#open = {
      'subscriber-status': open('subscriber-status', projections['subscriber-status'].queries),
      'message-timeline': open('message-timeline', projections['message-timeline'].queries),
      unplaced: open('unplaced', projections.unplaced.queries),
    }
    thread.on('message', (message: ProjectorReport) => {
      if ('progress' in message) this.#heard(message.progress)
    })
    thread.on('error', (error) => {
      this.#failed = `the projector failed: ${error.name}`
    })
  }

  /** Reads rows and their position from one snapshot. */
  read<Name extends ProjectionName, T>(name: Name, read: (view: ReadView<Name>) => T): T {
    const { generation, queries } = this.#open[name]
    generation.db.exec('BEGIN')
    try {
      const position = generation.checkpoint()
      return read({ queries, position, isParked: (stream) => generation.isParked(stream) })
    } finally {
      generation.db.exec('COMMIT')
    }
  }

  /** Resolves true when `name` has handled the event at `position`, false when `milliseconds` have gone by. */
  async reached(name: ProjectionName, position: Position, milliseconds: number): Promise<boolean> {
    if (this.#hasReached(name, position)) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiting = { name, position, resolve }
    this.#waiting.add(waiting)
    const timer = setTimeout(() => resolve(false), milliseconds)
    const reached = await promise
    clearTimeout(timer)
    this.#waiting.delete(waiting)
    return reached
  }

  /** How far each projection is. */
  get progress(): readonly Progress[] {
    return projectionNames.map((name) => {
      const { checkpoint = null, parked = 0, halted = null } = this.#progress.get(name) ?? {}
      return { name, checkpoint, parked, halted: this.#failed ?? halted }
    })
  }

  async close(): Promise<void> {
    for (const { resolve } of this.#waiting) resolve(false)
    if (this.#failed === null) {
      this.#thread.postMessage('stop')
      await once(this.#thread, 'exit')
    }
    for (const { generation } of Object.values(this.#open)) generation.close()
  }

  #heard(progress: readonly Progress[]): void {
    for (const one of progress) this.#progress.set(one.name, one)
    for (const { name, position, resolve } of this.#waiting)
      if (this.#hasReached(name, position)) resolve(true)
  }

  #hasReached(name: ProjectionName, position: Position): boolean {
    const checkpoint = this.#progress.get(name)?.checkpoint ?? null
    return checkpoint !== null && checkpoint >= position
  }
}
