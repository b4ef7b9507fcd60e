import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { within } from '../waiting.ts'
import type { Diff } from './diff.ts'
import type { Digest } from './digest.ts'
import type { InspectorAnswer, InspectorOrder, Question, StampedDigest } from './inspector-thread.ts'

/** A generation could not be looked at. `code` says why: `schemas-differ`, `generations-apart`, `no-subjects`, `given-up`, … */
export class InspectionFailed extends Error {
  override name = 'InspectionFailed'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export interface InspectorOptions {
  readonly start?: () => Worker
  /** So long the thread waits for the next question before it ends. */
  readonly idleMs?: number
}

interface Asked {
  /** The files that are read for it. */
  readonly paths: readonly string[]
  readonly answered: Promise<InspectorAnswer>
  readonly resolve: (answer: InspectorAnswer) => void
  readonly reject: (error: Error) => void
}

interface Known {
  readonly digest: StampedDigest
  /** When the next one may be begun. */
  readonly rests: number
}

const IDLE_MS = 30_000
/** A digest is not begun sooner after the last one than so many times as long as that took. */
const REST = 5
/** Of so many files the digest is remembered: more generations than ever are there at once. */
const REMEMBERED = 32
const CLOSED = 'the ledger is being stopped'

/** Digests and diffs of generations, made by a thread that is started when one is asked for. */
export class Inspector {
  readonly #start: () => Worker
  readonly #idleMs: number
  #thread: Worker | null = null
  #idle: NodeJS.Timeout | undefined
  #lastId = 0
  readonly #asked = new Map<number, Asked>()
  readonly #known = new Map<string, Known>()
  readonly #digesting = new Map<string, Promise<Digest>>()
  /** Of threads that are told to end. */
  readonly #exits = new Set<Promise<unknown>>()
  #closed = false

  constructor({ start = startInspectorThread, idleMs = IDLE_MS }: InspectorOptions = {}) {
    this.#start = start
    this.#idleMs = idleMs
  }

  /**
   * The digest of a generation's file. Where that takes longer than `milliseconds`, the last one that is known, of an
   * earlier position; null where none is. Goes on meanwhile, for who asks next.
   */
  async digestWithin(path: string, milliseconds: number): Promise<Digest | null> {
    // A file that can't be read has no digest; those who read its rows say what is wrong with it.
    const digest = this.#digest(path).catch(() => null)
    const made = await within(digest, milliseconds, () => null)
    return made ?? withoutStamp(this.#known.get(path)?.digest)
  }

  /**
   * What would change if the generation in the file `after` were read instead of the one in `before`. Rejects with
   * `InspectionFailed`, and where `signal` aborts.
   */
  async diff(before: string, after: string, signal?: AbortSignal): Promise<Diff> {
    const answer = await this.#ask({ diff: { before, after } }, signal)
    if ('diff' in answer) return answer.diff
    throw new Error('the inspector gave another answer')
  }

  /** Gives up what is being read of a file, so that the file can be deleted; resolves when nothing has it open. */
  async letGo(path: string): Promise<void> {
    const reading = Array.from(this.#asked).filter(([, { paths }]) => paths.includes(path))
    for (const [id] of reading) this.#tell({ cancel: id })
    await Promise.allSettled(reading.map(([, { answered }]) => answered))
    this.#known.delete(path)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#dismiss()
    for (const { reject } of this.#asked.values()) reject(new InspectionFailed('closed', CLOSED))
    await Promise.all(this.#exits)
  }

  #digest(path: string): Promise<Digest> {
    const underWay = this.#digesting.get(path)
    if (underWay !== undefined) return underWay
    const made = this.#makeDigest(path).finally(() => this.#digesting.delete(path))
    this.#digesting.set(path, made)
    return made
  }

  async #makeDigest(path: string): Promise<Digest> {
    const known = this.#known.get(path)
    await restUntil(known?.rests ?? 0)
    const begun = performance.now()
    const answer = await this.#ask({ digest: { path, stamp: known?.digest.stamp ?? null } })
    if (!('digest' in answer)) throw new Error('the inspector gave another answer')
    const digest = answer.digest === 'unchanged' ? known?.digest : answer.digest
    if (digest === undefined) throw new Error('the inspector found unchanged what is not known')
    const now = performance.now()
    this.#known.delete(path)
    this.#known.set(path, { digest, rests: now + (now - begun) * REST })
    for (const oldest of this.#known.keys()) if (this.#known.size > REMEMBERED) this.#known.delete(oldest)
    return withoutStamp(digest) ?? digest
  }

  async #ask(question: Question, signal?: AbortSignal): Promise<InspectorAnswer> {
    if (this.#closed) throw new InspectionFailed('closed', CLOSED)
    signal?.throwIfAborted()
    clearTimeout(this.#idle)
    this.#thread ??= this.#startThread()
    const id = ++this.#lastId
    const { promise: answered, resolve, reject } = Promise.withResolvers<InspectorAnswer>()
    this.#asked.set(id, { paths: pathsOf(question), answered, resolve, reject })
    this.#tell({ id, question })
    const cancel = () => this.#tell({ cancel: id })
    signal?.addEventListener('abort', cancel)
    try {
      const answer = await answered
      signal?.throwIfAborted()
      if ('failed' in answer) throw new InspectionFailed(answer.failed.code, answer.failed.message)
      return answer
    } finally {
      signal?.removeEventListener('abort', cancel)
      this.#asked.delete(id)
      if (this.#asked.size === 0) this.#idle = setTimeout(() => this.#dismiss(), this.#idleMs).unref()
    }
  }

  #tell(order: InspectorOrder): void {
    this.#thread?.postMessage(order)
  }

  #startThread(): Worker {
    const thread = this.#start()
    // What it reads can be read again: it holds up no end of the process.
    thread.unref()
    thread.on('message', (answer: InspectorAnswer) => this.#asked.get(answer.id)?.resolve(answer))
    thread.on('error', (error) => this.#failed(thread, error.name))
    thread.on('exit', () => this.#failed(thread, 'it ended'))
    return thread
  }

  #failed(thread: Worker, why: string): void {
    if (this.#thread !== thread) return
    this.#thread = null
    for (const { reject } of this.#asked.values())
      reject(new InspectionFailed('failed', `the inspector failed: ${why}`))
  }

  // The next question starts another one.
  #dismiss(): void {
    clearTimeout(this.#idle)
    const thread = this.#thread
    if (thread === null) return
    this.#tell('stop')
    this.#thread = null
    const exit = once(thread, 'exit').finally(() => this.#exits.delete(exit))
    this.#exits.add(exit)
  }
}

function startInspectorThread(): Worker {
  return new Worker(new URL('./inspector-thread.ts', import.meta.url))
}

function pathsOf(question: Question): string[] {
  return 'diff' in question ? [question.diff.before, question.diff.after] : [question.digest.path]
}

function withoutStamp(digest: StampedDigest | undefined): Digest | null {
  if (digest === undefined) return null
  const { sha256, rows, position } = digest
  return { sha256, rows, position }
}

async function restUntil(moment: number): Promise<void> {
  const milliseconds = moment - performance.now()
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds).unref())
}
