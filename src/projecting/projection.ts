import type { DatabaseSync } from 'node:sqlite'
import type { StoredEvent } from '../ledger/event.ts'
import type { Fact } from '../ledger/interpret.ts'

/**
 * A fold of the log into tables that people read. Pure but for its tables: no clock, no randomness, no positions, so
 * that the same log always gives the same rows.
 *
 * @typeParam Tables - the writing side, over one generation's file
 * @typeParam Queries - the reading side, over the same tables
 */
export interface Projection<Tables, Queries> {
  /** For ever: folders and metrics are called by it. */
  readonly name: string
  /** Raised when the same log would give other rows: each generation is of one version. */
  readonly version: number
  /** Makes the tables, in SQL. */
  readonly schema: string
  /** Opened anew after anything was undone, so they may remember what they have written. */
  readonly tables: (db: DatabaseSync) => Tables
  /** Takes events in log order, each once. What it throws parks the event's stream. */
  readonly handle: (fact: Fact, event: StoredEvent, tables: Tables) => void
  readonly queries: (db: DatabaseSync) => Queries
  /** Left out where no table gives its rows numbers of its own. */
  readonly numbering?: Numbering | undefined
  /** Left out where two builds can be compared by their digests alone. */
  readonly subjects?: Subjects | undefined
}

/**
 * A table that numbers its rows as it meets them. The numbers say nothing: a stream that was parked and is handled later
 * gets another one than it would have had. Where builds are compared, the row's UNIQUE columns stand for its number.
 */
export interface Numbering {
  /** Its INTEGER PRIMARY KEY is the number, its UNIQUE constraint says which row it is. */
  readonly table: string
  /** The tables that use the number, and the column that holds it there. */
  readonly usedBy: Readonly<Record<string, string>>
}

/** What a projection says of whom, as it is read; so that it can be said what another build would change. */
export interface Subjects {
  /**
   * A query for `shop_id`, `subscriber_id` (null where a row concerns none), `part` and `said`, a JSON object; ordered by
   * the first three, which no two rows have in common.
   */
  readonly sql: string
  /** Whether all parts of a subscriber are a list; else each has one part alone. */
  readonly isList: boolean
}

/** A projection whose tables are open: what is left is to feed it. */
export interface OpenProjection {
  readonly name: string
  readonly handle: (fact: Fact, event: StoredEvent) => void
}

/** Something that can be folded, whatever its tables and queries are. */
export interface AnyProjection {
  readonly name: string
  readonly version: number
  readonly schema: string
  readonly open: (db: DatabaseSync) => OpenProjection
  readonly numbering?: Numbering | undefined
  readonly subjects?: Subjects | undefined
}

/** Declares a projection: the result can be fed through `open` and read through `queries`. */
export function defineProjection<Tables, Queries>(
  projection: Projection<Tables, Queries>,
): AnyProjection & Pick<Projection<Tables, Queries>, 'queries'> {
  const { name, version, schema, queries, numbering, subjects } = projection
  return {
    name,
    version,
    schema,
    queries,
    numbering,
    subjects,
    open: (db) => {
      const tables = projection.tables(db)
      return { name, handle: (fact, event) => projection.handle(fact, event, tables) }
    },
  }
}
