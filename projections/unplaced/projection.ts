import { defineProjection } from '../../src/projecting/projection.ts'
import { queries } from './queries.ts'
import { subjects } from './subjects.ts'
import { schema, tables } from './tables.ts'

/** The events that no subscriber could be read from, with the reason, and where they went when they were placed. */
export const unplaced = defineProjection({
  name: 'unplaced',
  version: 1,
  schema,
  tables,
  queries,
  subjects,
  handle: (fact, event, rows) => {
    if (fact.kind === 'unplaced')
      rows.add(
        fact.shopId,
        event.metadata.recordedAt,
        event.metadata.id,
        event.stream,
        event.revision,
        fact.reason,
      )
    if (fact.kind === 'placed') rows.place(fact.placedIn, event.stream, fact.eventId)
  },
})
