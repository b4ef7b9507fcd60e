import type { Subjects } from '../../src/projecting/projection.ts'

/** Each entry of each subscriber's timeline, as it is read. */
export const subjects: Subjects = {
  isList: true,
  sql: `SELECT shop_id, subscriber_id, occurred_at || ' ' || event_id AS part, json_object(
      'kind', kind, 'occurredAt', occurred_at, 'recordedAt', recorded_at, 'eventId', event_id, 'revision', revision,
      'event', event, 'message', json(message), 'conflict', json(iif(conflict, 'true', 'false'))
    ) AS said
    FROM subscriber CROSS JOIN entry ON entry.subscriber = subscriber.key
    ORDER BY shop_id, subscriber_id, occurred_at, event_id`,
}
