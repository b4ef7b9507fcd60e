import type { DatabaseKind } from '../../sqlite.ts'

/**
 * The embedded log. `entries` holds both things that are unique in a stream: its revisions, as integers, and its event
 * ids, as 16 bytes. In one table the two stand on the same page, so that an append dirties one random page, not two.
 */
export const LOG: DatabaseKind = {
  applicationId: 0x4c454447,
  migrations: [
    `
    CREATE TABLE log (id TEXT NOT NULL, probed_at TEXT) STRICT;
    CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE events (
      position INTEGER PRIMARY KEY,
      stream INTEGER NOT NULL,
      revision INTEGER NOT NULL,
      type TEXT NOT NULL,
      data TEXT NOT NULL,
      metadata TEXT NOT NULL
    ) STRICT;
    CREATE TABLE entries (
      stream INTEGER NOT NULL,
      key ANY NOT NULL,
      position INTEGER NOT NULL,
      PRIMARY KEY (stream, key)
    ) STRICT, WITHOUT ROWID;
    ${['streams', 'events', 'entries'].map(immutable).join('\n')}
    `,
    // Holds a row once the log goes on elsewhere; nothing is appended here then.
    'CREATE TABLE moved (to_log TEXT NOT NULL, to_place TEXT NOT NULL, at TEXT NOT NULL) STRICT',
  ],
}

function immutable(table: string): string {
  return ['UPDATE', 'DELETE']
    .map(
      (verb) => `CREATE TRIGGER ${table}_refuse_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
        BEGIN SELECT RAISE(ABORT, 'the log is immutable'); END;`,
    )
    .join('\n')
}
