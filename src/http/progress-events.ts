import { setTimeout as delay } from 'node:timers/promises'
import type { ProjectionStatusItem } from './projection-status.ts'

const EVERY_MS = 500

/** How a projection stands, as server-sent events: at once, and then until it is live. */
export async function* progressEvents(
  status: () => Promise<ProjectionStatusItem>,
  closing: AbortSignal,
): AsyncGenerator<string> {
  while (!closing.aborted) {
    const current = await status()
    yield `data: ${JSON.stringify(current)}\n\n`
    if (current.state === 'live') return
    await delay(EVERY_MS, undefined, { signal: closing }).catch(() => {})
  }
}
