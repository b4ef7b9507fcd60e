import { setTimeout as delay } from 'node:timers/promises'
import {
  findProjectionName,
  type ProjectionName,
  projectionNames,
  projections,
  type Queries,
} from '../../projections/index.ts'
import type { Position } from '../ledger/event.ts'
import { Builds } from './builds.ts'
import { deleteGeneration, homeOf, isDamage, isDamageOnOpening } from './generation-file.ts'
import type { GenerationReader, ParkedStream } from './generation-reader.ts'
import { reasonOf } from './pages.ts'
import {
  ProjectionNotReady,
  type ProjectionStatus,
  RebuildRunning,
  type RebuildStatus,
} from './projection-status.ts'
import type { GenerationProgress, Progress, Retried } from './projector.ts'
import { ErrandFailed, ProjectorClient } from './projector-client.ts'
import type { OpenedGeneration, ProjectorData } from './projector-thread.ts'
import { ReadModel } from './read-model.ts'
import { startProjectorThread } from './thread.ts'

/** What one read sees: rows, and how far in the log they go, both of one moment. */
export interface ReadView<Name extends ProjectionName> {
  readonly queries: Queries<Name>
  readonly position: Position | null
  /** Whether events of this stream wait because the projection could not handle one. */
  readonly isParked: (stream: string) => boolean
}

/** What is told of generations, without anything of what is in them. */
export interface ProjectionJournal {
  info(what: object, message: string): void
  warn(what: object, message: string): void
}

interface Waiting {
  readonly name: ProjectionName
  readonly position: Position
  readonly resolve: (reached: boolean) => void
}

/** Before a generation that could not be opened is tried again, in milliseconds. */
const ADOPT_AGAIN_MS = 1_000

const NO_JOURNAL: ProjectionJournal = { info: () => {}, warn: () => {} }

/**
 * The projections as the thread that serves HTTP has them: read here, kept up by a thread of their own, and built anew by
 * another. Says when reads go over from one generation to the next.
 */
export class ReadModels {
  readonly #folder: string
  readonly #journal: ProjectionJournal
  readonly #models: { readonly [Name in ProjectionName]: ReadModel<Queries<Name>> } = {
    'subscriber-status': new ReadModel(projections['subscriber-status'].queries),
    'message-timeline': new ReadModel(projections['message-timeline'].queries),
    unplaced: new ReadModel(projections.unplaced.queries),
    'shop-activity': new ReadModel(projections['shop-activity'].queries),
  }
  readonly #builds: Builds
  /** By name and number. */
  readonly #progress = new Map<string, GenerationProgress>()
  /** Built, and not opened yet by the thread that keeps them up; with why it could not be. */
  readonly #adopting = new Map<string, { done: Promise<void>; problem: string | null }>()
  /** The highest number that a generation has had. */
  readonly #highest = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()
  readonly #closing = new AbortController()
  #projector: ProjectorClient | null = null

  /** Starts projecting. Rejects where a generation's file is not to be used. */
  static async start(
    data: ProjectorData,
    thread = startProjectorThread(),
    journal = NO_JOURNAL,
  ): Promise<ReadModels> {
    const models = new ReadModels(data, journal)
    const projector = await ProjectorClient.start(data, thread, {
      onProgress: (progress) => models.#heard(progress),
      onDamaged: (name, number, reason) => models.#damaged(projectionNamed(name), number, reason, false),
    })
    models.#begin(projector)
    return models
  }

  private constructor(data: ProjectorData, journal: ProjectionJournal) {
    this.#folder = data.folder
    this.#journal = journal
    this.#builds = new Builds(data, (name, number, held) => this.#adopt(projectionNamed(name), number, held))
  }

  /** Reads rows and their position from one snapshot. Throws `ProjectionNotReady`. */
  read<Name extends ProjectionName, T>(name: Name, read: (view: ReadView<Name>) => T): T {
    const { reader, queries } = this.#served(name)
    return this.#readFrom(name, reader, () =>
      reader.snapshot(() => {
        const position = reader.checkpoint()
        return read({ queries, position, isParked: (stream) => reader.isParked(stream) })
      }),
    )
  }

  /** Throws `ProjectionNotReady` where there is nothing to be read. */
  requireReady(name: ProjectionName): void {
    this.#served(name)
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
    return projectionNames.map((name) => this.#progressOf(name))
  }

  status(name: ProjectionName): ProjectionStatus {
    const { served } = this.#models[name]
    const { checkpoint, parked, halted } = this.#progressOf(name)
    return {
      name,
      version: served?.reader.version ?? projections[name].version,
      generation: served?.reader.number ?? null,
      checkpoint,
      parked,
      halted,
      rebuild: this.#rebuildOf(name),
    }
  }

  /** The files of what is read, and of what will be; null where there is none. */
  files(name: ProjectionName): { readonly served: string | null; readonly next: string | null } {
    const { served, next } = this.#models[name]
    return { served: served?.reader.path ?? null, next: next?.reader.path ?? null }
  }

  /** Begins to build a generation anew; where it is `held`, it is read when `switchOver` says so. Throws `RebuildRunning`. */
  rebuild(name: ProjectionName, held: boolean): void {
    if (this.#rebuildOf(name) !== null) throw new RebuildRunning(`${name} is being rebuilt already`)
    this.#build(name, held)
  }

  /** Leaves nothing of a rebuild; false where there is none. */
  async cancel(name: ProjectionName): Promise<boolean> {
    if (this.#builds.find(name) !== null) {
      await this.#builds.cancel(name)
      return true
    }
    await this.#adopting.get(name)?.done
    const model = this.#models[name]
    if (model.next === null) return false
    const { number } = model.next.reader
    model.forget(number, null)
    await this.#projector?.drop(name, number)
    return true
  }

  /** Reads from a generation that was held; false where there is none, or it has not caught up. */
  async switchOver(name: ProjectionName): Promise<boolean> {
    const model = this.#models[name]
    if (model.next?.held !== true || !this.#isNextAbreast(name)) return false
    await this.#projector?.release(name, model.next.reader.number)
    model.releaseNext()
    this.#switchWhereAbreast(name)
    return true
  }

  /** The streams that wait in a projection, by name, those behind `after`. Throws `ProjectionNotReady`. */
  parked(name: ProjectionName, after: string | null, limit: number): ParkedStream[] {
    const { reader } = this.#served(name)
    return this.#readFrom(name, reader, () => reader.parked(after, limit))
  }

  /** Handles again what waits in a projection. Rejects with `ProjectionNotReady` and `ErrandFailed`. */
  async retry(name: ProjectionName): Promise<Retried> {
    const { number } = this.#served(name).reader
    if (this.#projector === null) throw new ErrandFailed('the projector is not there', false)
    return this.#projector.retry(name, number)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const { resolve } of this.#waiting) resolve(false)
    await this.#builds.close()
    await this.#projector?.close()
    await Promise.all(Array.from(this.#adopting.values(), ({ done }) => done))
    for (const name of projectionNames) this.#models[name].close()
  }

  #served<Name extends ProjectionName>(name: Name) {
    const { served } = this.#models[name]
    if (served === null) throw new ProjectionNotReady(`${name} is being built; try again`)
    return served
  }

  #begin(projector: ProjectorClient): void {
    this.#projector = projector
    for (const { name: text, generations, wanted, highest } of projector.opened) {
      const name = projectionNamed(text)
      this.#highest.set(name, highest)
      const [served, next] = generations
      if (wanted !== null) {
        this.#journal.info({ projection: name, reason: wanted.reason }, 'a projection is built anew')
        this.#build(name, wanted.held)
      }
      this.#openOrBuild(name, served, (path) => this.#models[name].serve(path))
      this.#openOrBuild(name, next, (path) => this.#models[name].prepare(path, next?.held ?? false))
      this.#switchWhereAbreast(name)
    }
  }

  #build(name: ProjectionName, held: boolean): void {
    this.#builds.begin(name, { held, above: this.#highest.get(name) ?? 0 })
  }

  #openOrBuild(
    name: ProjectionName,
    generation: OpenedGeneration | undefined,
    open: (path: string) => void,
  ): void {
    try {
      if (generation !== undefined) open(generation.path)
    } catch (error) {
      if (generation === undefined || !isDamageOnOpening(error)) throw error
      this.#damaged(name, generation.number, reasonOf(error), true)
    }
  }

  #adopt(name: ProjectionName, number: number, held: boolean): void {
    this.#highest.set(name, number)
    const adopting = { done: Promise.resolve(), problem: null }
    this.#adopting.set(name, adopting)
    adopting.done = this.#adoptInTime(name, number, held, adopting).finally(() => this.#adopting.delete(name))
  }

  async #adoptInTime(
    name: ProjectionName,
    number: number,
    held: boolean,
    adopting: { problem: string | null },
  ): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        const opened = await this.#projector?.adopt(name, number)
        if (opened === undefined) return
        this.#models[name].prepare(opened.path, opened.held)
        this.#switchWhereAbreast(name)
        return
      } catch (error) {
        if (error instanceof ErrandFailed ? error.isDamage : isDamageOnOpening(error)) {
          await this.#projector?.drop(name, number).catch(() => {})
          deleteGeneration(homeOf(this.#folder, name), number)
          this.#build(name, held)
          return
        }
        adopting.problem = reasonOf(error)
        await delay(ADOPT_AGAIN_MS, undefined, { signal: this.#closing.signal }).catch(() => {})
      }
    }
  }

  // Whether the next generation has everything that an answer has been given from. Both are read at one moment.
  #isNextAbreast(name: ProjectionName): boolean {
    const { served, next, floor } = this.#models[name]
    if (next === null) return false
    try {
      const reached =
        served === null ? floor : this.#readFrom(name, served.reader, () => served.reader.checkpoint())
      const ready = this.#readFrom(name, next.reader, () => next.reader.checkpoint())
      return (ready ?? '') >= (reached ?? '')
    } catch (error) {
      if (error instanceof ProjectionNotReady) return false
      throw error
    }
  }

  // Of a file that turns out to be damaged nothing more is read. Throws `ProjectionNotReady`.
  #readFrom<T>(name: ProjectionName, { number }: GenerationReader, read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!isDamage(error)) throw error
      this.#damaged(name, number, reasonOf(error), true)
      throw new ProjectionNotReady(`${name} was damaged and is being built again; try again`)
    }
  }

  // A moment at which no answer is being computed: reads are synchronous, and so is this.
  #switchWhereAbreast(name: ProjectionName): void {
    const model = this.#models[name]
    const { next } = model
    if (next === null || (next.held && model.served !== null) || !this.#isNextAbreast(name)) return
    const before = model.switchOver()
    this.#journal.info({ projection: name, generation: next.reader.number }, 'a rebuilt projection is read')
    if (before !== null) {
      this.#progress.delete(keyOf(name, before))
      this.#projector?.drop(name, before).catch(() => {})
    }
    this.#wakeWaiting()
  }

  #damaged(name: ProjectionName, number: number, reason: string, isFed: boolean): void {
    this.#journal.warn({ projection: name, generation: number, reason }, 'a projection is damaged')
    const model = this.#models[name]
    const lost = model.next?.reader.number === number ? model.next : null
    model.forget(number, this.#progress.get(keyOf(name, number))?.checkpoint ?? null)
    this.#progress.delete(keyOf(name, number))
    if (isFed) this.#projector?.drop(name, number).catch(() => {})
    else deleteGeneration(homeOf(this.#folder, name), number)
    if (model.next !== null && model.served === null) {
      // Held or not, there is nothing else to read.
      this.#projector?.release(name, model.next.reader.number).catch(() => {})
      model.releaseNext()
      this.#switchWhereAbreast(name)
    }
    if (this.#rebuildOf(name) === null && (lost !== null || model.served === null))
      this.#build(name, lost?.held ?? false)
  }

  #heard(progress: readonly GenerationProgress[]): void {
    for (const one of progress) this.#progress.set(keyOf(one.name, one.number), one)
    for (const name of projectionNames) this.#switchWhereAbreast(name)
    this.#wakeWaiting()
  }

  #wakeWaiting(): void {
    for (const { name, position, resolve } of this.#waiting)
      if (this.#hasReached(name, position)) resolve(true)
  }

  #progressOf(name: ProjectionName): Progress {
    const number = this.#models[name].served?.reader.number ?? 0
    const nothingYet = { name, number, checkpoint: null, parked: 0, halted: null }
    const progress = this.#progress.get(keyOf(name, number)) ?? nothingYet
    const notReady = number === 0 ? 'it cannot be read until it has been built' : null
    return { ...progress, halted: this.#projector?.failed ?? notReady ?? progress.halted }
  }

  #rebuildOf(name: ProjectionName): RebuildStatus | null {
    const build = this.#builds.find(name)
    if (build !== null) return build
    const adopting = this.#adopting.get(name)
    const { next } = this.#models[name]
    if (next === null && adopting === undefined) return null
    const { startedAt, handled } = next?.built ?? { startedAt: null, handled: 0 }
    const problem = adopting?.problem ?? null
    return { handled, total: handled, startedAt, eventsPerSecond: 0, held: next?.held ?? false, problem }
  }

  #hasReached(name: ProjectionName, position: Position): boolean {
    const { checkpoint } = this.#progressOf(name)
    return checkpoint !== null && checkpoint >= position
  }
}

function keyOf(name: string, number: number): string {
  return `${name} ${number}`
}

function projectionNamed(text: string): ProjectionName {
  const name = findProjectionName(text)
  if (name === undefined) throw new TypeError(`no projection is called ${text}`)
  return name
}
