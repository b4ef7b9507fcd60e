import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as otherWork } from 'node:timers/promises'
import { ROWS_IN_A_GO, RowsHash } from '../projecting/digest.ts'
import { compareValues, type Pair, paired } from '../projecting/pairs.ts'
import { type ComparedTable, rowsOf } from '../projecting/rows.ts'

/** What two builds of a projection were found to have in common. */
export interface Comparison {
  /** Of the rows that are served. */
  readonly rows: number
  readonly sha256: string
  /** How many streams wait, as they would if the log were folded now. */
  readonly waiting: number
  readonly differences: number
  /** What the first ones are, without anything that a person wrote or is reached by. */
  readonly first: readonly string[]
}

const NAMED = 10

/** The columns of a key whose values may be shown: a phone number can be part of one. */
const SHOWN = /(^|_)(id|at|quarter|stream|revision)$/

/**
 * Compares what is served with what the log says, row for row and in the transactions that both are in, and which streams
 * wait. Throws `SchemasDiffer`; rejects where `signal` aborts.
 */
export async function compareRows(
  served: DatabaseSync,
  log: DatabaseSync,
  tables: readonly ComparedTable[],
  signal: AbortSignal,
): Promise<Comparison> {
  const hash = new RowsHash()
  const first: string[] = []
  let differences = 0
  let walked = 0
  const note = (difference: string | null) => {
    if (difference === null) return
    differences++
    if (first.length < NAMED) first.push(difference)
  }
  for (const table of tables) {
    hash.table(table)
    for (const pair of paired(rowsOf(served, table), rowsOf(log, table), byKey(table))) {
      if (pair.before !== null) hash.row(pair.before)
      if (pair.before !== pair.after) note(differenceIn(table, pair))
      if (++walked % ROWS_IN_A_GO === 0) await otherWork(undefined, { signal })
    }
  }
  let waiting = 0
  for (const pair of paired(parkedIn(served), parkedIn(log), (a, b) => compareValues(a.stream, b.stream))) {
    waiting++
    note(differenceInWaiting(pair))
  }
  return { rows: hash.rows, sha256: hash.hex(), waiting, differences, first }
}

function byKey({ keys }: ComparedTable): (a: string, b: string) => number {
  return (a, b) => {
    if (a === b) return 0
    const [left, right] = [valuesOf(a), valuesOf(b)]
    for (let at = 0; at < keys; at++) {
      const order = compareValues(left[at], right[at])
      if (order !== 0) return order
    }
    return 0
  }
}

function differenceIn(table: ComparedTable, { before, after }: Pair<string>): string {
  const [served, log] = [before === null ? [] : valuesOf(before), after === null ? [] : valuesOf(after)]
  const row = `${table.name} (${keyOf(table, before === null ? log : served)})`
  if (before === null) return `${row}: is missing`
  if (after === null) return `${row}: is there, and the log does not say so`
  const columns = table.columns.filter((_, at) => served[at] !== log[at])
  return `${row}: ${columns.join(', ')} ${columns.length === 1 ? 'differs' : 'differ'} from what the log says`
}

function keyOf({ columns, keys }: ComparedTable, values: readonly unknown[]): string {
  const shown = (column: string, at: number) =>
    SHOWN.test(column) ? `${column} ${oneLineOf(values[at])}` : `${column} …`
  return columns.slice(0, keys).map(shown).join(', ')
}

interface Parked {
  readonly stream: string
  readonly revision: number
}

function* parkedIn(db: DatabaseSync): Generator<Parked> {
  for (const { stream, revision } of db
    .prepare('SELECT stream, revision FROM parked ORDER BY stream')
    .iterate())
    yield { stream: String(stream), revision: Number(revision) }
}

function differenceInWaiting({ before, after }: Pair<Parked>): string | null {
  if (before?.revision === after?.revision) return null
  const stream = oneLineOf((before ?? after)?.stream)
  if (after === null) return `${stream}: waits at revision ${before.revision}, which can be handled now`
  if (before === null) return `${stream}: does not wait, and revision ${after.revision} cannot be handled`
  return `${stream}: waits at revision ${before.revision}, and could at ${after.revision}`
}

function valuesOf(row: string): readonly unknown[] {
  const values: unknown = JSON.parse(row)
  return Array.isArray(values) ? values : []
}

// Whoever changes a row can also write a key into it that is more than one line.
function oneLineOf(value: unknown): string {
  return String(value)
    .slice(0, 150)
    .replace(/\p{Cc}/gu, '?')
}
