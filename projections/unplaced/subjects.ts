import type { Subjects } from '../../src/projecting/projection.ts'

/** Each unplaced event: no subscriber is concerned by one. */
export const subjects: Subjects = {
  isList: false,
  sql: `SELECT shop_id, NULL AS subscriber_id, recorded_at || ' ' || event_id AS part, json_object(
      'recordedAt', recorded_at, 'eventId', event_id, 'stream', stream, 'revision', revision, 'reason', reason,
      'placedIn', placed_in
    ) AS said
    FROM unplaced ORDER BY shop_id, recorded_at, event_id`,
}
