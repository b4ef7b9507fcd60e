/** One build of a projection in memory, fed as the projector feeds it. */
import { DatabaseSync } from 'node:sqlite'
import type { StoredEvent } from '../../src/ledger/event.ts'
import { interpret } from '../../src/ledger/interpret.ts'
import type { AnyProjection } from '../../src/projecting/projection.ts'

/** Something that can be built and read. */
export type ReadProjection<Queries> = AnyProjection & { readonly queries: (db: DatabaseSync) => Queries }

/** Dispose of it with `using`. */
export interface Build<Queries> extends Disposable {
  readonly queries: Queries
  /**
   * Every row of every table, as text: two builds with the same rows have the same. Without the columns called as in
   * `besides`, and without what is called so in the JSON of the others.
   */
  readonly dump: (besides?: readonly string[]) => string
}

export function build<Queries>(
  projection: ReadProjection<Queries>,
  events: readonly StoredEvent[],
): Build<Queries> {
  const db = new DatabaseSync(':memory:')
  db.exec(projection.schema)
  const open = projection.open(db)
  for (const event of events) open.handle(interpret(event), event)
  return {
    queries: projection.queries(db),
    dump: (besides = []) => dump(db, besides),
    [Symbol.dispose]: () => db.close(),
  }
}

function dump(db: DatabaseSync, besides: readonly string[]): string {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all()
  return tables
    .map(({ name }) => {
      const columns = db
        .prepare(`SELECT name FROM pragma_table_info('${name}')`)
        .all()
        .map((column) => String(column['name']))
        .filter((column) => !besides.includes(column))
      const values = columns.map((column) => textOf(column, besides)).join(` || ',' || `)
      const rows = db.prepare(`SELECT ${values} AS row FROM "${name}" ORDER BY 1`).all()
      return [name, ...rows.map(({ row }) => row)].join('\n')
    })
    .join('\n\n')
}

function textOf(column: string, besides: readonly string[]): string {
  const whole = `quote("${column}")`
  if (besides.length === 0) return whole
  const paths = besides.map((name) => `'$.${name}'`).join(', ')
  return `CASE WHEN json_valid("${column}") THEN quote(json_remove("${column}", ${paths})) ELSE ${whole} END`
}
