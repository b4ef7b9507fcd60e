import { type NewEvent, streams } from '../../src/ledger/event.ts'
import { instant, message, placeBody, SHOP } from '../ledger/deliveries.ts'

export const streamOf = (subscriber: string) => streams.subscriber(SHOP, subscriber)

/** The text number so many; the same number is the same event. */
export function texted(number: number, receivedAt = '2026-03-01T10:00:01', body = 'Hello'): NewEvent {
  const { event } = placeBody(message('2026-03-01T10:00:00', { id: `im_${number}`, body }))
  return { ...event, receivedAt: instant(receivedAt) }
}
