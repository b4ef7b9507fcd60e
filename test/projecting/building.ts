import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { EventLog } from '../../src/event-store/event-store.ts'
import { Builder, type BuildProgress } from '../../src/projecting/builder.ts'

/** A builder over `log`, stopped when the test is finished, if it was not before; with all that it told. */
export function builder(log: EventLog, folder: string) {
  const built: { name: string; number: number }[] = []
  const reports: (readonly BuildProgress[])[] = []
  const running = new Builder({
    log,
    folder,
    clock: systemClock(),
    onProgress: (progress) => reports.push(progress),
    onBuilt: (name, number) => built.push({ name, number }),
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  })
  const abort = new AbortController()
  const ended = running.run(abort.signal)
  const stop = async () => {
    abort.abort()
    await ended
  }
  onTestFinished(stop)
  const last = (name: string) => reports.at(-1)?.find((progress) => progress.name === name)
  return { builder: running, built, reports, last, stop }
}
