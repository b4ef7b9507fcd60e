import { consentFact, consentOrder, nextStatus, type Status } from '../../src/ledger/consent.ts'
import type { MessageFact, SubscriberFact } from '../../src/ledger/interpret.ts'
import { defineProjection } from '../../src/projecting/projection.ts'
import { queries } from './queries.ts'
import { subjects } from './subjects.ts'
import { type Counted, type Decisive, schema, type Tables, tables } from './tables.ts'

/** How many opted in, opted out and wrote, by shop and quarter of an hour: what days are made of in any time zone. */
export const shopActivity = defineProjection({
  name: 'shop-activity',
  version: 1,
  schema,
  tables,
  queries,
  subjects,
  handle: (fact, _event, rows) => {
    if (fact.kind === 'shop' || fact.kind === 'unplaced' || fact.kind === 'placed') return
    if (fact.kind === 'message') countMessage(fact, rows)
    countConsent(fact, rows)
  },
})

// What counts is that consent changed, and a fact that comes late can change what the ones around it did. So what they
// counted without it is compared with what they count with it.
function countConsent(fact: SubscriberFact, rows: Tables): void {
  const { shopId, subscriberId } = fact
  const said = decisive(fact)
  if (said === null) return
  const around = rows.around(shopId, subscriberId, said.order)
  const before = changes(around)
  const after = changes([...around, said])
  rows.addDecisive(shopId, subscriberId, said)
  for (const [order, what] of before)
    if (after.get(order) !== what) rows.uncount(shopId, quarterOf(order), what)
  for (const [order, what] of after)
    if (before.get(order) !== what) rows.count(shopId, quarterOf(order), what)
}

/** The facts, by their order, that changed consent, and what each counts as. */
function changes(facts: readonly Decisive[]): Map<string, Counted> {
  const counted = new Map<string, Counted>()
  let status: Status = 'unknown'
  for (const { order, says, source } of facts.toSorted((a, b) => (a.order < b.order ? -1 : 1))) {
    const next = nextStatus(status, says)
    // Who was unknown until Postscript was asked did not change when it was asked.
    const isFound = status === 'unknown' && source === 'api'
    if (next !== status && !isFound) counted.set(order, next === 'subscribed' ? 'opt_ins' : 'opt_outs')
    status = next
  }
  return counted
}

function decisive(fact: SubscriberFact): Decisive | null {
  const said = consentFact(fact)
  if (said === null || said.says === 'question') return null
  return { order: consentOrder(said), says: said.says, source: said.evidence.source }
}

// One told twice counts where the timeline shows it: at the telling that opts out, else at the earliest.
function countMessage({ shopId, subscriberId, occurredAt, message }: MessageFact, rows: Tables): void {
  const quarter = quarterOf(occurredAt)
  if (message.id !== null) {
    const told = `${message.isOptOut ? 0 : 1} ${quarter}`
    const before = rows.addMessage(shopId, subscriberId, message.id, told)
    if (before !== null && before <= told) return
    if (before !== null) {
      rows.retell(shopId, subscriberId, message.id, told)
      rows.uncount(shopId, before.slice(2), 'messages')
    }
  }
  rows.count(shopId, quarter, 'messages')
}

/** The beginning of the quarter of an hour that an instant, or an order that begins with one, is in. */
function quarterOf(at: string): string {
  const minutes = Number(at.slice(14, 16))
  return `${at.slice(0, 14)}${String(minutes - (minutes % 15)).padStart(2, '0')}`
}
