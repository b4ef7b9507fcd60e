import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  isCommandError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  TimeoutError,
  UnavailableError,
  WrongExpectedVersionError,
} from '@eventstore/db-client'
import { convertToCommandError } from '@eventstore/db-client/dist/utils/CommandError.js'
import { StoreError } from '../event-store.ts'

/** Somebody else has appended to the stream since it was last seen: nothing was stored. */
export function isConflict(error: unknown): boolean {
  return causeOf(error) instanceof WrongExpectedVersionError
}

/** The node is not the leader; the client has learned who is, and asks that one next. */
export function isNotLeader(error: unknown): boolean {
  return causeOf(error) instanceof NotLeaderError
}

/** The server refuses what was asked of it: so it is there, and knows its streams. */
export function isAnswer(error: unknown): boolean {
  const cause = causeOf(error)
  return ANSWERS.some((kind) => cause instanceof kind)
}

const ANSWERS = [WrongExpectedVersionError, NotLeaderError, StreamDeletedError, MaxAppendSizeExceededError]

/** So many silences on end, and what they were met on is given up: it may be dead without having ended. */
export const MOST_SILENCES = 3

const SILENCE = Symbol('silence')

/** Nothing was answered in the time that there was. */
export function silence(): StoreError {
  return new StoreError('store-unavailable', 'EventStoreDB does not answer', { cause: SILENCE })
}

export function isSilence(error: unknown): boolean {
  return causeOf(error) === SILENCE
}

/** What the client, or the connection under it, fails with of itself. */
export function isClientFailure(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false
  const isGrpc = 'code' in reason && typeof reason.code === 'number' && 'details' in reason
  return isGrpc || isCommandError(reason) || reason.message.startsWith('Failed to discover')
}

/** There was no connection, or it broke. */
export function isUnreachable(error: unknown): boolean {
  return causeOf(error) instanceof UnavailableError
}

/**
 * What the client's error, or gRPC's, means to the ledger; the client's is its cause. What is no error of the client or of
 * the connection is given back as it is.
 */
export function storeErrorOf(error: unknown): unknown {
  if (error instanceof StoreError || !(error instanceof Error) || isMistake(error)) return error
  const cause = convertToCommandError(error)
  const [code, message] = meaningOf(cause)
  return new StoreError(code, message, { cause })
}

// One in the code, here or in the client: no waiting helps.
function isMistake(error: Error): boolean {
  return MISTAKES.some((kind) => error instanceof kind)
}

const MISTAKES = [TypeError, ReferenceError, RangeError, SyntaxError]

function meaningOf(error: Error): [StoreError['code'], string] {
  const details = detailsOf(error)
  if (error instanceof AccessDeniedError)
    return [
      'store-misconfigured',
      error.code === UNAUTHENTICATED
        ? 'EventStoreDB refuses the user or the password'
        : 'EventStoreDB does not allow that to this user',
    ]
  if (CERTIFICATE.test(details))
    return ['store-misconfigured', `EventStoreDB's certificate is not trusted: ${details}`]
  if (PLAIN_TEXT.test(details))
    return [
      'store-misconfigured',
      'EventStoreDB does not speak TLS there: is tls=false missing from the address?',
    ]
  if (error instanceof StreamDeletedError) return ['store-damaged', 'the stream has been deleted']
  if (error instanceof MaxAppendSizeExceededError) return ['store-refuses', 'the event is too large']
  if (error instanceof DeadlineExceededError || error instanceof TimeoutError)
    return ['store-unavailable', 'EventStoreDB did not answer in time']
  if (error instanceof NotLeaderError) return ['store-unavailable', 'EventStoreDB has another leader']
  if (error instanceof WrongExpectedVersionError)
    return ['store-unavailable', 'the stream is written by others at the same time']
  if (error instanceof UnavailableError || error instanceof CancelledError || isCommandError(error))
    return ['store-unavailable', `EventStoreDB cannot be reached${details === '' ? '' : `: ${details}`}`]
  return ['store-unavailable', `EventStoreDB cannot be reached: ${error.name}`]
}

const UNAUTHENTICATED = 16

// What Node says of a certificate that it does not accept.
const CERTIFICATE = /certificate|self[- ]signed|altnames|CERT_/i
const PLAIN_TEXT = /wrong version number|packet length too long/i

/** gRPC's words on a connection that failed; they hold addresses, no secrets. */
function detailsOf(error: Error): string {
  const raw: unknown = '_raw' in error ? error._raw : error
  if (typeof raw !== 'object' || raw === null || !('details' in raw) || typeof raw.details !== 'string')
    return ''
  const [, last] = /Last error: (?:Error: )?(.*?)\.? Resolution note:/.exec(raw.details) ?? []
  return last ?? raw.details
}

function causeOf(error: unknown): unknown {
  return error instanceof StoreError ? error.cause : error
}
