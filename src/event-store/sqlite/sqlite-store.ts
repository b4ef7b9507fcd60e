import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import type { NewEvent } from '../../ledger/event.ts'
import { type Appended, type EventStore, StoreError } from '../event-store.ts'
import type { Append } from './appender.ts'
import { positionOf } from './position.ts'
import { SqliteLog } from './sqlite-log.ts'
import { startWriterThread } from './thread.ts'
import type { WriterAnswer, WriterData, WriterRequest } from './writer-thread.ts'

export interface SqliteStoreOptions {
  readonly path: string
  /** The data folder's id. */
  readonly writer: string
  /** Told of every transaction that succeeded, with the number of its appends. */
  readonly onBatch?: (size: number) => void
}

type Pending<T> = { resolve: (value: T) => void; reject: (error: Error) => void }

/**
 * So many batches are with the writer at once: one that it commits, and some to go on with. What comes meanwhile makes
 * the next batch larger, which costs less than more batches.
 */
const BATCHES_AHEAD = 3

/**
 * So many are worth a batch before the turn ends. A turn may bring one of every connection: sent all at its end, they
 * would be answered all at once too, and the two threads would wait for each other in turns.
 */
const ENOUGH = 16

/** More appends than this under way means that the disk does not keep up. */
const MOST_IN_FLIGHT = 10_000

/**
 * The embedded log: a thread of its own commits, so that the thread that serves HTTP waits for no disk, and reads are
 * done on the caller's thread.
 */
export class SqliteEventStore extends SqliteLog implements EventStore {
  readonly #writer: Worker
  readonly #onBatch: (size: number) => void
  readonly #appends: Pending<Appended>[] = []
  readonly #probes = new Map<number, Pending<void>>()
  #probesAsked = 0
  #turn: Append[] = []
  #turnEnds = false
  #batchesAhead = 0
  #dead: StoreError | null = null

  /** Opens the log, made where there is none. Rejects where the file is not to be used. */
  static async open(
    { path, writer, onBatch }: SqliteStoreOptions,
    thread = startWriterThread(),
  ): Promise<SqliteEventStore> {
    thread.postMessage({ path, writer } satisfies WriterData)
    // The first thing it says is that the log is open; what it throws before that rejects here.
    await once(thread, 'message')
    return new SqliteEventStore(path, thread, onBatch ?? (() => {}))
  }

  private constructor(path: string, writer: Worker, onBatch: (size: number) => void) {
    super(path)
    this.#writer = writer
    this.#onBatch = onBatch
    writer.on('message', (answer: WriterAnswer) => this.#settle(answer))
    writer.on('error', (error) =>
      this.#die(new StoreError('store-unavailable', 'the writer thread failed', { cause: error })),
    )
    writer.on('exit', () => this.#die(new StoreError('store-unavailable', 'the log is closed')))
  }

  append(stream: string, event: NewEvent): Promise<Appended> {
    if (this.#dead !== null) return Promise.reject(this.#dead)
    if (this.#appends.length >= MOST_IN_FLIGHT)
      return Promise.reject(new StoreError('store-overloaded', 'too many appends are under way'))
    const { data: _, ...stored } = event
    this.#turn.push({ stream, event: stored })
    if (this.#turn.length >= ENOUGH && this.#batchesAhead < BATCHES_AHEAD) this.#postTurn()
    else this.#postAtEndOfTurn()
    return new Promise((resolve, reject) => this.#appends.push({ resolve, reject }))
  }

  probe(): Promise<void> {
    if (this.#dead !== null) return Promise.reject(this.#dead)
    const probe = ++this.#probesAsked
    this.#post({ probe })
    return new Promise((resolve, reject) => this.#probes.set(probe, { resolve, reject }))
  }

  /** What was appended before is committed first. */
  override async close(): Promise<void> {
    if (this.#dead === null) {
      this.#postTurn()
      this.#post({ close: true })
      await once(this.#writer, 'exit')
    }
    await super.close()
  }

  // What one turn of the event loop brought goes to the writer together.
  #postAtEndOfTurn(): void {
    if (this.#turnEnds || this.#batchesAhead >= BATCHES_AHEAD) return
    this.#turnEnds = true
    setImmediate(() => {
      this.#turnEnds = false
      this.#postTurn()
    })
  }

  #postTurn(): void {
    const appends = this.#turn
    if (appends.length === 0 || this.#dead !== null) return
    this.#turn = []
    this.#batchesAhead++
    this.#post({ appends })
  }

  #post(request: WriterRequest): void {
    this.#writer.postMessage(request)
  }

  #settle(answer: WriterAnswer): void {
    if ('appended' in answer || 'failed' in answer) {
      this.#batchesAhead--
      if (this.#turn.length > 0) this.#postAtEndOfTurn()
    }
    if ('appended' in answer) {
      const { appended } = answer
      const settled = this.#appends.splice(0, appended.length / 3)
      settled.forEach(({ resolve }, index) => {
        const at = index * 3
        resolve({
          outcome: appended[at] === 1 ? 'duplicate' : 'appended',
          revision: appended[at + 1] ?? 0,
          position: positionOf(appended[at + 2] ?? 0),
        })
      })
      this.#onBatch(settled.length)
    } else if ('failed' in answer) {
      const error = new StoreError('store-unavailable', `the log cannot be written: ${answer.error}`)
      for (const { reject } of this.#appends.splice(0, answer.failed)) reject(error)
    } else if ('probed' in answer) {
      const probe = this.#probes.get(answer.probed)
      this.#probes.delete(answer.probed)
      if (answer.error === null) probe?.resolve()
      else probe?.reject(new StoreError('store-unavailable', `the log cannot be written: ${answer.error}`))
    }
  }

  #die(error: StoreError): void {
    this.#dead ??= error
    for (const { reject } of [...this.#appends.splice(0), ...this.#probes.values()]) reject(this.#dead)
    this.#probes.clear()
  }
}
