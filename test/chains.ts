import { expect } from 'vitest'
import { type EventLog, eventOf } from '../src/event-store/event-store.ts'
import { eventHash, type StoredEvent } from '../src/ledger/event.ts'

/** The whole log, in its order. */
export async function allEvents(log: EventLog): Promise<StoredEvent[]> {
  const events: StoredEvent[] = []
  for (;;) {
    const page = await log.readAll(events.at(-1)?.position ?? null, 500)
    if (page.length === 0) return events
    events.push(...page.map(eventOf))
  }
}

/** Every stream counts from 0 without a gap, each event bears its own hash and the one before it, no id stands twice. */
export function expectWholeChains(events: readonly StoredEvent[]): void {
  for (const [stream, chained] of Map.groupBy(events, (event) => event.stream)) {
    const sound = chained.every(
      (event, index) =>
        event.revision === index &&
        event.metadata.hash === eventHash(event) &&
        event.metadata.prev === (chained[index - 1]?.metadata.hash ?? null) &&
        event.metadata.recordedAt >= (chained[index - 1]?.metadata.recordedAt ?? ''),
    )
    expect(sound, `the chain of ${stream}`).toBe(true)
    expect(new Set(chained.map(({ metadata }) => metadata.id)).size, `ids of ${stream}`).toBe(chained.length)
  }
}
