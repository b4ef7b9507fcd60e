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
}

/** Declares a projection: the result can be fed through `open` and read through `queries`. */
export function defineProjection<Tables, Queries>(
  projection: Projection<Tables, Queries>,
): AnyProjection & Pick<Projection<Tables, Queries>, 'queries'> {
  const { name, version, schema, queries } = projection
  return {
    name,
    version,
    schema,
    queries,
    open: (db) => {
      const tables = projection.tables(db)
      return { name, handle: (fact, event) => projection.handle(fact, event, tables) }
    },
  }
}
