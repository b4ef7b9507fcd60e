import { BroadcastChannel } from 'node:worker_threads'

/**
 * Tells every thread of this process that follows the log `id` that something was appended. Carries nothing: who is
 * woken looks for itself, so a wake too many or one for several appends does no harm.
 */
export class Wake {
  readonly #channel: BroadcastChannel
  #waiting: (() => void)[] = []
  #rung = 0

  constructor(id: string) {
    this.#channel = new BroadcastChannel(`ledger ${id}`)
    this.#channel.onmessage = () => this.#wakeAll()
    this.#channel.unref()
  }

  ring(): void {
    this.#channel.postMessage(null)
  }

  /** How often it has been heard: taken before looking, so that what comes while looking is not slept through. */
  get heard(): number {
    return this.#rung
  }

  /** Resolves at the first ring after `heard`, or when `signal` aborts. */
  async ringAfter(heard: number, signal: AbortSignal): Promise<void> {
    if (this.#rung !== heard || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    this.#channel.ref()
    const stop = () => resolve()
    signal.addEventListener('abort', stop, { once: true })
    await promise
    signal.removeEventListener('abort', stop)
  }

  close(): void {
    this.#channel.close()
    this.#wakeAll()
  }

  #wakeAll(): void {
    this.#rung++
    const woken = this.#waiting
    this.#waiting = []
    this.#channel.unref()
    for (const resolve of woken) resolve()
  }
}
