/**
 * Whether the store is away. Open from its first failure on, so that nobody waits for it in vain, until somebody has got
 * through to it.
 */
export class Breaker {
  readonly #onAway: (reason: string) => void
  readonly #onBack: () => void
  #reason: string | null = null

  constructor(onAway: (reason: string) => void, onBack: () => void) {
    this.#onAway = onAway
    this.#onBack = onBack
  }

  get isOpen(): boolean {
    return this.#reason !== null
  }

  /** Why the store is away, by its last failure; null while it isn't. */
  get reason(): string | null {
    return this.#reason
  }

  open(reason: string): void {
    const wasOpen = this.isOpen
    this.#reason = reason
    if (!wasOpen) this.#onAway(reason)
  }

  close(): void {
    if (!this.isOpen) return
    this.#reason = null
    this.#onBack()
  }
}
