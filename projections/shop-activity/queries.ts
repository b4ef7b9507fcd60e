import type { DatabaseSync } from 'node:sqlite'
import * as z from 'zod'
import { localDays } from './local-days.ts'

const Sums = z.object({ optIns: z.int(), optOuts: z.int(), messages: z.int() })

export function queries(db: DatabaseSync) {
  const sums = db.prepare(`SELECT
      coalesce(sum(opt_ins), 0) AS optIns, coalesce(sum(opt_outs), 0) AS optOuts, coalesce(sum(messages), 0) AS messages
    FROM activity WHERE shop_id = ? AND quarter >= ? AND quarter < ?`)
  return {
    /** What happened on each day from one date to another, both among them, as the time zone has its days. */
    days: (shopId: string, from: string, to: string, timeZone: string) =>
      localDays(from, to, timeZone).map(({ date, begins, ends }) => {
        const { optIns, optOuts, messages } = Sums.parse(sums.get(shopId, begins, ends))
        return { date, optIns, optOuts, netChange: optIns - optOuts, messages }
      }),
  }
}
