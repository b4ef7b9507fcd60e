import {
  type Consent,
  consentFact,
  consentOrder,
  foldConsent,
  nextConsent,
} from '../../src/ledger/consent.ts'
import { parseInstant } from '../../src/ledger/instant.ts'
import type { SubscriberFact } from '../../src/ledger/interpret.ts'
import { defineProjection } from '../../src/projecting/projection.ts'
import { queries } from './queries.ts'
import { subjects } from './subjects.ts'
import { type SubscriberRow, schema, type Tables, tables } from './tables.ts'

/** One row a subscriber: may we text her, since when, on what evidence, and how she is reached. */
export const subscriberStatus = defineProjection({
  name: 'subscriber-status',
  version: 1,
  schema,
  tables,
  queries,
  numbering: { table: 'subscriber', usedBy: { consent_fact: 'subscriber', message: 'subscriber' } },
  subjects,
  handle: (fact, event, rows) => {
    if (fact.kind === 'shop' || fact.kind === 'unplaced' || fact.kind === 'placed') return
    const before = rows.subscriber(fact.shopId, fact.subscriberId, fact.occurredAt)
    rows.save(before, {
      ...before,
      ...withContact(before, fact, rows),
      ...withMessage(before, fact, rows),
      ...withConsent(before, fact, rows),
      first_seen_at: fact.occurredAt < before.first_seen_at ? fact.occurredAt : before.first_seen_at,
      revision: event.revision,
    })
  },
})

// A later word replaces an earlier one, by when it was said: arrival has no part in it.
function withContact(row: SubscriberRow, fact: SubscriberFact, rows: Tables): Partial<SubscriberRow> {
  const { phone, email, shopifyCustomerId } = fact.contact
  const order = `${fact.occurredAt} ${fact.evidence.eventId}`
  if (phone !== null && phone !== row.phone) rows.addPhone(fact.shopId, phone, fact.subscriberId)
  return {
    ...(phone !== null && order > row.phone_order ? { phone, phone_order: order } : {}),
    ...(email !== null && order > row.email_order ? { email, email_order: order } : {}),
    ...(shopifyCustomerId !== null && order > row.shopify_order
      ? { shopify_customer_id: shopifyCustomerId, shopify_order: order }
      : {}),
  }
}

function withMessage(row: SubscriberRow, fact: SubscriberFact, rows: Tables): Partial<SubscriberRow> {
  if (fact.kind !== 'message') return {}
  const { id } = fact.message
  const isNew = id === null || rows.addMessage(row.key, id)
  const last = row.last_message_at
  return {
    messages: isNew ? row.messages + 1 : row.messages,
    last_message_at: last === null || fact.occurredAt > last ? fact.occurredAt : last,
  }
}

function withConsent(row: SubscriberRow, fact: SubscriberFact, rows: Tables): Partial<SubscriberRow> {
  const said = consentFact(fact)
  if (said === null) return {}
  const order = consentOrder(said)
  rows.addFact(row.key, order, said)
  const isLate = order < row.consent_order
  const { status, since, evidence, possibleOptOut } = isLate
    ? foldConsent(rows.facts(row.key))
    : nextConsent(consentOf(row), said)
  return {
    status,
    since,
    evidence: evidence === null ? null : JSON.stringify(evidence),
    possible_opt_out: possibleOptOut ? 1 : 0,
    consent_order: isLate ? row.consent_order : order,
  }
}

function consentOf(row: SubscriberRow): Consent {
  return {
    status: row.status,
    since: row.since === null ? null : parseInstant(row.since),
    evidence: row.evidence === null ? null : JSON.parse(row.evidence),
    possibleOptOut: row.possible_opt_out === 1,
  }
}
