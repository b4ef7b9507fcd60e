import { DatabaseSync } from 'node:sqlite'
import { isSqliteError } from '../sqlite.ts'
import type { AnyProjection, Numbering } from './projection.ts'

/** A table whose rows can be compared between two builds: each is read as a JSON array, all in one order. */
export interface ComparedTable {
  readonly name: string
  /** What stands at each place of the array. */
  readonly columns: readonly string[]
  /** So many of them, the first ones, say which row it is; rows are in their order. */
  readonly keys: number
  /** They read all rows, one after the other. */
  readonly queries: readonly string[]
}

/** A file has other tables than the projection has now. */
export class SchemasDiffer extends Error {
  override name = 'SchemasDiffer'
  readonly code = 'schemas-differ'
}

/**
 * All tables that a projection's schema makes, by name, with all their columns. Rows are ordered by primary key, by rowid
 * where there is none. Numbers that rows were given as they came are no part of them: see `Numbering`.
 */
export function comparedTables({ schema, numbering }: AnyProjection): ComparedTable[] {
  const db = new DatabaseSync(':memory:')
  try {
    db.exec(schema)
    const names = namesOf(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return names.map((name) => {
      if (numbering === undefined) return plainTable(db, name)
      if (name === numbering.table) return numberedTable(db, name)
      const column = numbering.usedBy[name]
      return column === undefined ? plainTable(db, name) : tableByNumber(db, name, column, numbering)
    })
  } finally {
    db.close()
  }
}

/** The rows of a table, in order, in whatever transaction `db` is in. Throws `SchemasDiffer`. */
export function* rowsOf(db: DatabaseSync, { queries }: ComparedTable): Generator<string> {
  for (const query of queries)
    for (const { row } of prepared(db, query).iterate()) if (typeof row === 'string') yield row
}

/** Prepares a query of today's code on a file that another version may have made. Throws `SchemasDiffer`. */
export function prepared(db: DatabaseSync, sql: string) {
  try {
    return db.prepare(sql)
  } catch (error) {
    if (!isSqliteError(error) || !('errcode' in error) || error.errcode !== SQLITE_ERROR) throw error
    throw new SchemasDiffer(`its tables are not those of this version: ${error.message}`, { cause: error })
  }
}

// What SQLite says where there is no such table or column.
const SQLITE_ERROR = 1

function plainTable(db: DatabaseSync, name: string): ComparedTable {
  const own = columnsOf(db, name)
  const primary = primaryKeyOf(own)
  const keys = primary.length === 0 ? [ROWID] : primary
  return tableOf(name, keys, own)
}

function numberedTable(db: DatabaseSync, name: string): ComparedTable {
  const own = columnsOf(db, name)
  return tableOf(name, uniqueOf(db, name, own), own)
}

function tableOf(name: string, keys: readonly Column[], own: readonly Column[]): ComparedTable {
  const columns = [...keys, ...own.filter((column) => column.key === 0 && !keys.includes(column))]
  const row = arrayOf(columns.map(({ name, type }) => jsonOf(quoted(name), type)))
  const order = keys.map((key) => quoted(key.name)).join(', ')
  return {
    name,
    columns: columns.map((column) => column.name),
    keys: keys.length,
    queries: [`SELECT ${row} AS row FROM ${quoted(name)} ORDER BY ${order}`],
  }
}

// The numbered row's names stand for its number. What has a number that is no row's, which nothing but tampering can
// make, comes before all others: there the number stands where the first name would.
function tableByNumber(db: DatabaseSync, name: string, column: string, { table }: Numbering): ComparedTable {
  const ofNumbered = columnsOf(db, table)
  const names = uniqueOf(db, table, ofNumbered)
  const number = `own.${quoted(column)}`
  const isOf = `${number} = numbered.${quoted(primaryKeyOf(ofNumbered)[0]?.name ?? ROWID.name)}`
  const own = columnsOf(db, name).filter((one) => one.name !== column)
  const keys = primaryKeyOf(own)
  const rest = [...keys, ...own.filter(({ key }) => key === 0)]

  const valueIn = (from: string) => (one: Column) => jsonOf(`${from}.${quoted(one.name)}`, one.type)
  const nameIn = (from: string) => (one: Column) => `${from}.${quoted(one.name)}`
  const noNames = [number, ...names.slice(1).map(() => 'NULL')]
  const [values, order] = [rest.map(valueIn('own')), keys.map(nameIn('own'))]
  return {
    name,
    columns: [...names, ...rest].map((one) => one.name),
    keys: names.length + keys.length,
    queries: [
      `SELECT ${arrayOf([...noNames, ...values])} AS row
        FROM ${quoted(name)} own LEFT JOIN ${quoted(table)} numbered ON ${isOf}
        WHERE numbered.rowid IS NULL ORDER BY ${[number, ...order].join(', ')}`,
      `SELECT ${arrayOf([...names.map(valueIn('numbered')), ...values])} AS row
        FROM ${quoted(table)} numbered CROSS JOIN ${quoted(name)} own ON ${isOf}
        ORDER BY ${[...names.map(nameIn('numbered')), ...order].join(', ')}`,
    ],
  }
}

interface Column {
  readonly name: string
  readonly type: string
  /** Its place in the primary key, from 1; 0 where it is no part of it. */
  readonly key: number
}

const ROWID: Column = { name: 'rowid', type: 'INTEGER', key: 1 }

function columnsOf(db: DatabaseSync, table: string): Column[] {
  const rows = db.prepare('SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid').all(table)
  return rows.map(({ name, type, pk }) => ({ name: String(name), type: String(type), key: Number(pk) }))
}

function primaryKeyOf(columns: readonly Column[]): Column[] {
  return columns.filter(({ key }) => key > 0).sort((a, b) => a.key - b.key)
}

function uniqueOf(db: DatabaseSync, table: string, columns: readonly Column[]): Column[] {
  const unique = `SELECT column.name FROM pragma_index_list(?) list JOIN pragma_index_info(list.name) column
    WHERE list.origin = 'u' ORDER BY column.seqno`
  return namesOf(db, unique, table).flatMap((name) => columns.find((column) => column.name === name) ?? [])
}

function namesOf(db: DatabaseSync, sql: string, ...values: readonly string[]): string[] {
  return db
    .prepare(sql)
    .all(...values)
    .map(({ name }) => String(name))
}

const arrayOf = (values: readonly string[]) => `json_array(${values.join(', ')})`
const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

// What JSON cannot hold, or spells in more than one way, is written as text.
function jsonOf(value: string, type: string): string {
  if (type === 'BLOB') return `hex(${value})`
  return type === 'REAL' ? `format('%!.17g', ${value})` : value
}
