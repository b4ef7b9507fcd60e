import { within } from '../../waiting.ts'
import { StoreError } from '../event-store.ts'
import { LogClient, type ReadCall } from './client.ts'
import {
  isAnswer,
  isClientFailure,
  isSilence,
  isUnreachable,
  MOST_SILENCES,
  silence,
  storeErrorOf,
} from './errors.ts'
import type { ReadAnswer, ReadRequest, Recorded } from './read-messages.ts'
import { urlMistake } from './url.ts'

/** Where the log is. */
export interface EventStoreDbPlace {
  readonly url: string
  /** Stands before each stream's name on the wire, so that tests can share a server. */
  readonly namespace?: string
  /** How long the server may be silent, in milliseconds, before what was asked of it is given up. */
  readonly silentMs?: number
}

const SILENT_MS = 5_000

// Given per call, credentials keep what the client appends by itself off its batch call, which all clients of a process
// share; without TLS they are not sent.
const NOBODY = { username: 'nobody', password: 'nobody' }

/** The client, and what every call to it has in common. */
export class Connection {
  readonly namespace: string
  readonly silentMs: number
  readonly credentials: { readonly username: string; readonly password: string }
  readonly #url: string
  #client: LogClient
  #failures = 0
  #connections = 0
  #disturbances = 0
  #closed = false

  /** Connects to nothing yet. Throws `StoreError` as `store-misconfigured`. */
  constructor({ url, namespace = '', silentMs = SILENT_MS }: EventStoreDbPlace) {
    const mistake = urlMistake(url)
    if (mistake !== null) throw new StoreError('store-misconfigured', mistake)
    forgiveTheClient()
    this.#url = url
    this.namespace = namespace
    this.silentMs = silentMs
    this.#client = LogClient.connect(url)
    this.credentials = this.#client.credentials ?? NOBODY
  }

  get client(): LogClient {
    return this.#client
  }

  get closed(): boolean {
    return this.#closed
  }

  /** How often something has failed that leaves in doubt whether it is the same server that answers next. */
  get disturbances(): number {
    return this.#disturbances
  }

  /** Notes a failure that was not met here. */
  disturbed(): void {
    this.#disturbances++
  }

  /**
   * Asks once. What fails is thrown as `StoreError`, what the client never answers is given up after a
   * while (a call of the client may stay pending for ever).
   */
  ask<T>(call: (client: LogClient) => Promise<T>): Promise<T> {
    // Later than the deadline that each call has itself.
    return this.askPatiently((client) =>
      within(call(client), this.silentMs * 1.2, () => {
        throw silence()
      }),
    )
  }

  /** The same of what is sure to be answered, or to fail, in time. */
  async askPatiently<T>(call: (client: LogClient) => Promise<T>): Promise<T> {
    this.#refuseClosed()
    const client = this.#client
    try {
      const answer = await call(client)
      this.#failures = 0
      return answer
    } catch (error) {
      throw this.#noted(error, client)
    }
  }

  /**
   * Hands over what a read gives, up to its end or until `take` answers that it has enough. Answers whether there is such
   * a stream. A read has no deadline of the client's, so one that is silent for too long is given up here.
   */
  async read(what: ReadRequest, take: (recorded: Recorded) => boolean): Promise<boolean> {
    this.#refuseClosed()
    const client = this.#client
    let call: ReadCall | undefined
    let isOver = false
    let found = true
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(silence()), this.silentMs)
    try {
      client.read(what, { credentials: this.credentials, requiresLeader: true }).then((opened) => {
        call = opened
        opened.on('data', (answer: ReadAnswer) => {
          timer.refresh()
          if (isOver) return
          try {
            if (answer === 'no-such-stream') found = false
            else isOver = answer !== 'progress' && !take(answer)
          } catch (error) {
            reject(error)
          }
          if (isOver) resolve()
        })
        opened.on('end', resolve)
        opened.on('error', reject)
        if (isOver) opened.cancel()
      }, reject)
      await promise
      this.#failures = 0
      return found
    } catch (error) {
      throw this.#noted(error, client)
    } finally {
      isOver = true
      clearTimeout(timer)
      call?.cancel()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    await dispose(this.#client)
  }

  #refuseClosed(): void {
    if (this.#closed) throw new StoreError('store-unavailable', 'the log is closed')
  }

  #noted(error: unknown, client: LogClient): unknown {
    const known = storeErrorOf(error)
    if (!isAnswer(known)) this.disturbed()
    const isSilent = isSilence(known)
    // What fails on a connection that has been replaced says nothing of the new one.
    if (client !== this.#client) return known
    if (isSilent || isUnreachable(known)) {
      this.#failures++
      if (!this.#closed && this.#failures >= (isSilent ? MOST_SILENCES : 2)) this.#connectAnew(isSilent)
    } else this.#failures = 0
    return known
  }

  #connectAnew(isSilent: boolean): void {
    this.#failures = 0
    this.#connections++
    // The client never gives up a connection that is open.
    const given = this.#client
    this.#client = LogClient.connect(this.#url, this.#connections)
    // What it has been asked fails by itself, or is answered yet.
    if (isSilent) void dispose(given)
    else given.retire()
  }
}

let isForgiven = false

/**
 * While it looks for another node, the client lets a promise fail that nobody can catch, which would end the process; who
 * asked is told of the failure besides. Once a thread, and for nothing but what the client fails with.
 */
function forgiveTheClient(): void {
  if (isForgiven) return
  isForgiven = true
  process.on('unhandledRejection', (reason) => {
    if (!isClientFailure(reason)) throw reason
  })
}

/** What is still open after this many milliseconds is left to the end of the process. */
const DISPOSE_MS = 1_000

async function dispose(client: LogClient): Promise<void> {
  await within(client.dispose(), DISPOSE_MS, () => {})
}
