import type { Subjects } from '../../src/projecting/projection.ts'

/** Each subscriber as they are read, without what the row only remembers for the next fact. */
export const subjects: Subjects = {
  isList: false,
  sql: `SELECT shop_id, subscriber_id, '' AS part, json_object(
      'shopId', shop_id, 'subscriberId', subscriber_id, 'status', status, 'since', since, 'evidence', json(evidence),
      'phone', phone, 'email', email, 'shopifyCustomerId', shopify_customer_id,
      'messages', json_object('received', messages, 'lastAt', last_message_at),
      'possibleOptOut', json(iif(possible_opt_out, 'true', 'false')), 'firstSeenAt', first_seen_at, 'revision', revision
    ) AS said
    FROM subscriber ORDER BY shop_id, subscriber_id`,
}
