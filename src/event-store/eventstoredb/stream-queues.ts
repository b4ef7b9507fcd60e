import { StoreError } from '../event-store.ts'

interface Pending<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/** So many streams are written side by side: more would only wait in the server. */
const MOST_AT_ONCE = 256
/** More than this under way means that the store does not keep up. */
const MOST_WAITING = 10_000

/**
 * Does one thing at a time in each stream, in the order of asking, and many streams side by side. Where one fails because
 * the store is away, all that wait in its stream fail with it, in their order: none may overtake it.
 */
export class StreamQueues<Item, Result> {
  readonly #work: (stream: string, item: Item) => Promise<Result>
  readonly #queues = new Map<string, Pending<Item, Result>[]>()
  readonly #ready: string[] = []
  #waiting = 0
  #atOnce = 0
  #idle: (() => void) | null = null

  constructor(work: (stream: string, item: Item) => Promise<Result>) {
    this.#work = work
  }

  add(stream: string, item: Item): Promise<Result> {
    if (this.#waiting >= MOST_WAITING)
      return Promise.reject(new StoreError('store-overloaded', 'too many appends are under way'))
    this.#waiting++
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(stream)
      if (queue !== undefined) {
        queue.push({ item, resolve, reject })
        return
      }
      this.#queues.set(stream, [{ item, resolve, reject }])
      this.#ready.push(stream)
      this.#start()
    })
  }

  /** Resolves when all that was asked has come to its end. */
  close(): Promise<void> {
    if (this.#waiting === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle = resolve
    })
  }

  #start(): void {
    while (this.#atOnce < MOST_AT_ONCE) {
      const stream = this.#ready.shift()
      if (stream === undefined) return
      this.#atOnce++
      this.#doFirst(stream)
    }
  }

  #doFirst(stream: string): void {
    const queue = this.#queues.get(stream) ?? []
    const [first] = queue
    if (first === undefined) throw new Error('a stream that is ready has something to do')
    this.#work(stream, first.item).then(
      (result) => {
        queue.shift()
        this.#waiting--
        first.resolve(result)
        this.#goOn(stream, queue)
      },
      (error: unknown) => {
        const isAway = !(error instanceof StoreError) || AWAY.has(error.code)
        const failed = queue.splice(0, isAway ? queue.length : 1)
        this.#waiting -= failed.length
        for (const { reject } of failed) reject(error)
        this.#goOn(stream, queue)
      },
    )
  }

  #goOn(stream: string, queue: readonly Pending<Item, Result>[]): void {
    this.#atOnce--
    // One of each stream in turn, so that a long queue holds up nobody else.
    if (queue.length > 0) this.#ready.push(stream)
    else this.#queues.delete(stream)
    this.#start()
    if (this.#waiting === 0) this.#idle?.()
  }
}

const AWAY = new Set(['store-unavailable', 'store-misconfigured'])
