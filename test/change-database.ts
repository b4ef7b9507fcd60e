import { DatabaseSync } from 'node:sqlite'

/** Changes a file behind the ledger's back. */
export function changeDatabase(path: string, ...statements: string[]): void {
  const db = new DatabaseSync(path)
  try {
    for (const sql of statements) db.exec(sql)
  } finally {
    db.close()
  }
}
