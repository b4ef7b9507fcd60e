import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as otherWork } from 'node:timers/promises'
import type { Position } from '../ledger/event.ts'
import { GenerationReader } from './generation-reader.ts'
import type { AnyProjection } from './projection.ts'
import { type ComparedTable, comparedTables, rowsOf } from './rows.ts'

/** What a generation's rows come to: the same log gives the same, on every node and engine. */
export interface Digest {
  readonly sha256: string
  readonly rows: number
  /** Of the last event that is in the rows; positions are the engine's own. */
  readonly position: Position | null
}

/**
 * The SHA-256 of rows: of each table's name and columns, then of its rows, a line of JSON each. Which streams are parked
 * is no part of it: what they would have changed is not in the rows, and that shows.
 */
export class RowsHash {
  readonly #hash = createHash('sha256')
  #lines = ''
  #rows = 0

  table({ name, columns }: ComparedTable): void {
    this.#line(JSON.stringify([name, ...columns]))
  }

  row(row: string): void {
    this.#rows++
    this.#line(row)
  }

  get rows(): number {
    return this.#rows
  }

  /** To be asked once, at the end. */
  hex(): string {
    return this.#hash.update(this.#lines).digest('hex')
  }

  #line(line: string): void {
    this.#lines += `${line}\n`
    if (this.#lines.length < CHUNK) return
    this.#hash.update(this.#lines)
    this.#lines = ''
  }
}

const CHUNK = 65_536

/** So many rows are read in one go, a few milliseconds' worth, before other work has its turn. */
export const ROWS_IN_A_GO = 2_000

/** The digest of one snapshot of a generation's file. Throws `SchemasDiffer`; rejects where `signal` aborts. */
export async function digestOf(
  path: string,
  projection: AnyProjection,
  signal: AbortSignal,
): Promise<Digest> {
  const generation = new GenerationReader(path)
  try {
    generation.db.exec('BEGIN')
    const position = generation.checkpoint()
    return { ...(await digestRows(generation.db, comparedTables(projection), signal)), position }
  } finally {
    generation.close()
  }
}

/** The digest of the rows that `db` has, in whatever transaction it is in. */
export async function digestRows(
  db: DatabaseSync,
  tables: readonly ComparedTable[],
  signal: AbortSignal,
): Promise<Omit<Digest, 'position'>> {
  const hash = new RowsHash()
  for (const table of tables) {
    hash.table(table)
    for (const row of rowsOf(db, table)) {
      hash.row(row)
      if (hash.rows % ROWS_IN_A_GO === 0) await otherWork(undefined, { signal })
    }
  }
  return { sha256: hash.hex(), rows: hash.rows }
}
