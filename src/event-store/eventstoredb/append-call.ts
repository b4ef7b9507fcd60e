import { UnavailableError } from '@eventstore/db-client'
import { unpackToCommandError } from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js'
import { convertToCommandError } from '@eventstore/db-client/dist/utils/CommandError.js'
import type { Status } from '@eventstore/db-client/generated/status_pb.js'
import { type Accepted, appendAnswer, type Proposal, writeAppend } from './append-messages.ts'
import { MOST_SILENCES, silence } from './errors.ts'
import { GrpcCall, type GrpcCallOptions } from './grpc-call.ts'

/** Where, and as whom, the call is made. */
export type AppendCallOptions = Omit<GrpcCallOptions, 'path' | 'onMessage' | 'onEnd'> & {
  /**
   * Hears when the server cannot take appends now, though the call lives, and when the call ends without having been
   * closed here.
   */
  readonly onTrouble: (error: Error) => void
}

interface Waiting {
  readonly stream: string
  readonly resolve: (accepted: Accepted) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * EventStoreDB's BatchAppend call, on which any number of appends go side by side. Each has its own time to be answered and
 * fails by itself; a call that ends fails those that wait on it and no others, and an answer to nobody is dropped.
 */
export class AppendCall {
  readonly #call: GrpcCall
  readonly #onTrouble: (error: Error) => void
  readonly #waiting = new Map<number, Waiting>()
  #proposed = 0
  #turnEnds: NodeJS.Immediate | null = null
  /** So many on end have not been answered in time. */
  #silences = 0
  #isFinishing = false
  #ending: Error | null = null

  /** Throws where `origin` is no address. */
  constructor({ onTrouble, ...options }: AppendCallOptions) {
    this.#onTrouble = onTrouble
    this.#call = new GrpcCall({
      ...options,
      path: '/event_store.client.streams.Streams/BatchAppend',
      onMessage: (bytes) => this.#settle(bytes),
      onEnd: (error) => this.#end(convertToCommandError(error)),
    })
  }

  /** Whether an append can still be answered on it. */
  get isOpen(): boolean {
    return this.#ending === null && !this.#isFinishing && this.#call.isOpen
  }

  /**
   * The server takes them up in this order. Rejects with an error of the client; as `silence` where no answer comes in so
   * many milliseconds.
   */
  append(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    if (!this.isOpen)
      return Promise.reject(this.#ending ?? new UnavailableError(undefined, 'the call is ending'))
    const number = ++this.#proposed
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#giveUp(number), patienceMs)
      this.#waiting.set(number, { stream: proposal.stream, resolve, reject, timer })
      this.#call.give((writer) => writeAppend(number, proposal, writer))
      this.#sendAtEndOfTurn()
    })
  }

  close(): void {
    this.#ending ??= new UnavailableError(undefined, 'the call is closed')
    this.#call.close()
  }

  // What one turn of the event loop brings goes together.
  #sendAtEndOfTurn(): void {
    this.#turnEnds ??= setImmediate(() => {
      this.#turnEnds = null
      this.#call.flush()
    })
  }

  #giveUp(number: number): void {
    this.#take(number)?.reject(silence())
    if (++this.#silences >= MOST_SILENCES) this.#call.fail('nothing is answered any more')
  }

  #settle(bytes: Buffer): void {
    this.#silences = 0
    const answer = appendAnswer(bytes)
    const waiting = this.#take(answer.number)
    if (waiting === undefined) return
    if ('accepted' in answer) {
      waiting.resolve(answer.accepted)
      return
    }
    const error = errorOf(answer.refusal, waiting.stream)
    waiting.reject(error)
    if (error instanceof UnavailableError) {
      this.#finish()
      this.#onTrouble(error)
    }
  }

  // Those that wait have the rest of their time.
  #finish(): void {
    this.#isFinishing = true
    if (this.#waiting.size === 0) this.close()
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    clearTimeout(waiting?.timer)
    this.#waiting.delete(number)
    if (this.#isFinishing && this.#waiting.size === 0) this.close()
    return waiting
  }

  #end(error: Error): void {
    const isClosed = this.#ending !== null
    this.#ending ??= error
    if (this.#turnEnds !== null) clearImmediate(this.#turnEnds)
    for (const number of [...this.#waiting.keys()]) this.#take(number)?.reject(this.#ending)
    if (!isClosed) this.#onTrouble(error)
  }
}

/** A node that is starting, electing or too busy says so in words alone. */
const IN_WORDS = 'google.protobuf.Empty'

function errorOf(refusal: Status, stream: string): Error {
  const details = refusal.getDetails()
  return details === undefined || details.getTypeName() === IN_WORDS
    ? new UnavailableError(undefined, refusal.getMessage())
    : unpackToCommandError(refusal, stream)
}
