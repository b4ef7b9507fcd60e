import type { Subjects } from '../../src/projecting/projection.ts'

/** Each quarter of an hour in which something counted: no subscriber is named by it. */
export const subjects: Subjects = {
  isList: false,
  sql: `SELECT shop_id, NULL AS subscriber_id, quarter AS part, json_object(
      'optIns', opt_ins, 'optOuts', opt_outs, 'messages', messages
    ) AS said
    FROM activity ORDER BY shop_id, quarter`,
}
