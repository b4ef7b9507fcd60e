import { isSqliteError } from '../sqlite.ts'

const MISTAKES = new Set<unknown>([
  'config-mistake',
  'copy-refused',
  'data-folder-in-use',
  'data-folder-of-another-log',
  'data-folder-unusable',
  'database-unusable',
  'ledger-refuses',
  'ledger-silent',
  'log-moved',
  'projection-of-another-log',
  'store-misconfigured',
])
const ASKED_BY_A_SETTING = new Set<unknown>(['listen', 'getaddrinfo', 'open'])

/**
 * What the person who types a command can put right is said in one line; anything else is a fault, and has a stack. By
 * code, not by class: an error that comes from another thread has lost its class.
 */
export function isMistake(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  return (
    ('code' in error && MISTAKES.has(error.code)) ||
    ('syscall' in error && ASKED_BY_A_SETTING.has(error.syscall))
  )
}

/**
 * What to say in one line of a mistake, or of a log or a disk that does not answer; null for a fault. SQLite's messages
 * tell of files and pages, never of what is in them.
 */
export function oneLine(error: unknown): string | null {
  if (isMistake(error)) return error.message
  if (!(error instanceof Error) || !('code' in error)) return null
  const { cause } = error
  if (String(error.code).startsWith('store-'))
    return isSqliteError(cause) ? `${error.message}: ${cause.message}` : error.message
  return isSqliteError(error) ? `SQLite: ${error.message}` : null
}
