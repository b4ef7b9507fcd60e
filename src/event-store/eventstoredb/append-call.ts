import { UnavailableError } from '@eventstore/db-client'
import { unpackToCommandError } from '@eventstore/db-client/dist/streams/appendToStream/unpackError.js'
import { convertToCommandError } from '@eventstore/db-client/dist/utils/CommandError.js'
import type { Status } from '@eventstore/db-client/generated/status_pb.js'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import { type Accepted, type Answer, appendRequest, type Proposal } from './append-messages.ts'
import { silence } from './errors.ts'

/** EventStoreDB's BatchAppend call, on which any number of appends go side by side. */
export type BatchAppendCall = ClientDuplexStream<Buffer, Answer>

interface Waiting {
  readonly stream: string
  readonly resolve: (accepted: Accepted) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/**
 * One such call, from the first append on it to its end. Each append has its own time to be answered and fails by itself;
 * a call that ends fails those that wait on it and no others, and an answer to nobody is dropped.
 */
export class AppendCall {
  readonly #call: BatchAppendCall
  readonly #onUnready: (error: Error) => void
  readonly #waiting = new Map<number, Waiting>()
  #proposed = 0
  #ending: Error | null = null

  /** `onUnready` hears when the server cannot take appends now, though the call lives. */
  constructor(call: BatchAppendCall, onUnready: (error: Error) => void) {
    this.#call = call
    this.#onUnready = onUnready
    call.on('data', (answer: Answer) => this.#settle(answer))
    call.on('error', (error: Error) => this.#end(convertToCommandError(error)))
    // The server has closed its side: without the other one the call would stand half open.
    call.on('end', () => {
      call.end()
      this.#end(new UnavailableError(undefined, 'the server has ended the call'))
    })
  }

  /** Whether an append can still be answered on it. */
  get isOpen(): boolean {
    return this.#ending === null && this.#call.writable
  }

  /** Rejects with an error of the client; as `silence` where no answer comes in so many milliseconds. */
  append(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    if (this.#ending !== null) return Promise.reject(this.#ending)
    const number = ++this.#proposed
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#take(number)?.reject(silence()), patienceMs)
      this.#waiting.set(number, { stream: proposal.stream, resolve, reject, timer })
      this.#call.write(appendRequest(number, proposal))
    })
  }

  #settle(answer: Answer): void {
    const waiting = this.#take(answer.number)
    if (waiting === undefined) return
    if ('accepted' in answer) {
      waiting.resolve(answer.accepted)
      return
    }
    const error = errorOf(answer.refusal, waiting.stream)
    waiting.reject(error)
    if (error instanceof UnavailableError) this.#onUnready(error)
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    clearTimeout(waiting?.timer)
    this.#waiting.delete(number)
    return waiting
  }

  #end(error: Error): void {
    this.#ending = error
    for (const number of [...this.#waiting.keys()]) this.#take(number)?.reject(error)
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
