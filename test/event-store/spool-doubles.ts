/** What tests of the spool hold in their hands: its pauses, what it tells, and what it would find after a power cut. */
import { copyFileSync, existsSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { SetAsideNotice } from '../../src/event-store/spool/drainer.ts'
import { SpoolingStore } from '../../src/event-store/spool/spooling-store.ts'
import { FakeStore, Gate } from './gate.ts'

/** Pauses that take no time, and end when the test says so. */
export class Pauses {
  /** How long each was to be, in milliseconds. */
  readonly asked: number[] = []
  readonly #open = new Set<() => void>()

  get pending(): number {
    return this.#open.size
  }

  readonly pause = (milliseconds: number, signal: AbortSignal): Promise<void> => {
    this.asked.push(milliseconds)
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        this.#open.delete(end)
        resolve()
      }
      this.#open.add(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  elapse(): void {
    for (const end of this.#open) end()
  }
}

export interface Spooling {
  readonly path: string
  readonly gate?: Gate
  readonly mostBytes?: number
}

/** A spooling store whose pauses and notices the test has in its hand; closed when the test is finished, if it was not before. */
export function openSpooling({ path, gate = new Gate(new FakeStore()), mostBytes = 2 ** 30 }: Spooling) {
  const pauses = new Pauses()
  const notices: SetAsideNotice[] = []
  /** When the store was said to be away, why, and when to be back. */
  const news: string[] = []
  const store = new SpoolingStore(gate, {
    path,
    mostBytes,
    pause: pauses.pause,
    onAway: (reason) => news.push(`away: ${reason}`),
    onBack: () => news.push('back'),
    onSetAside: (notice) => notices.push(notice),
  })
  onTestFinished(() => {
    gate.kill()
    return store.close()
  })
  /** The store is there again, and all that waits is drained. */
  const drain = async () => {
    gate.weather = 'there'
    await until(() => {
      pauses.elapse()
      return !store.state().spooling
    })
  }
  return { store, gate, pauses, notices, news, drain }
}

/** Waits, turn by turn of the event loop, until that is so. */
export async function until(condition: () => boolean): Promise<void> {
  const givesUp = performance.now() + 30_000
  while (performance.now() < givesUp) {
    if (condition()) return
    await turn()
  }
  throw new Error(`never: ${condition}`)
}

/** Copies a database as it would be found after a power cut. */
export function copyAsKilled(from: string, to: string): void {
  for (const suffix of ['', '-wal']) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix)
}
