/**
 * What a loop does between its rounds because somebody asked for it. An errand wakes the loop from whatever it waits
 * for, so none has to be waited for itself.
 */
export class Errands {
  #waiting: (() => Promise<void>)[] = []
  #wake = new AbortController()

  /** Resolves when the loop has done it. */
  ask<T>(errand: () => T | Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#waiting.push(async () => {
      try {
        resolve(await errand())
      } catch (error) {
        reject(error)
      }
    })
    this.wake()
    return promise
  }

  wake(): void {
    this.#wake.abort()
  }

  /** Does what was asked for; the signal aborts when there is more, or at `wake`. */
  async run(): Promise<AbortSignal> {
    if (this.#wake.signal.aborted) this.#wake = new AbortController()
    const { signal } = this.#wake
    for (const errand of this.#waiting.splice(0)) await errand()
    return signal
  }
}
