/** One build of a projection in memory, fed as the projector feeds it. */
import { DatabaseSync } from 'node:sqlite'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { interpret } from '../../src/ledger/interpret.ts'
import type { AnyProjection } from '../../src/projecting/projection.ts'

/** Dispose of it with `using`. */
export interface Build<Queries> extends Disposable {
  readonly queries: Queries
  /** Every row of every table, as text: two builds with the same rows have the same. */
  readonly dump: () => string
}

export function build<Queries>(
  projection: AnyProjection & { readonly queries: (db: DatabaseSync) => Queries },
  events: readonly StoredEvent[],
): Build<Queries> {
  const db = new DatabaseSync(':memory:')
  db.exec(projection.schema)
  const open = projection.open(db)
  for (const event of events) open.handle(interpret(event), event)
  return {
    queries: projection.queries(db),
    dump: () => dump(db),
    [Symbol.dispose]: () => db.close(),
  }
}

function dump(db: DatabaseSync): string {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
  return tables
    .map(({ name }) => {
      const columns = db.prepare(`SELECT name FROM pragma_table_info('${name}')`).all()
      const values = columns.map((column) => `quote("${column['name']}")`).join(` || ',' || `)
      const rows = db.prepare(`SELECT ${values} AS row FROM "${name}" ORDER BY 1`).all()
      return [name, ...rows.map(({ row }) => row)].join('\n')
    })
    .join('\n\n')
}
