import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Credentials, EventStoreDBClient, UnavailableError } from '@eventstore/db-client'
import {
  type ConnectionOptions,
  parseConnectionString,
} from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import grpc, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js'
import type { ClientReadableStream } from '@grpc/grpc-js'
import { within } from '../../waiting.ts'
import { AppendCall } from './append-call.ts'
import type { Accepted, Proposal } from './append-messages.ts'
import { silence } from './errors.ts'
import { type ReadAnswer, type ReadRequest, readAnswer, readRequest } from './read-messages.ts'

/** What is read, as it comes. */
export type ReadCall = ClientReadableStream<ReadAnswer>

export interface Asking {
  readonly credentials: Credentials
  readonly requiresLeader: boolean
}

/**
 * The client, with appends and reads of its own, over the same connection. The client's own appends either cost a call
 * each, ten times as dear, or share what is pending among all clients of a process, where one's failure is everybody's and
 * an answer that comes late ends the process; its reads make three objects of each event before the ledger's.
 */
export class LogClient extends EventStoreDBClient {
  #appends: AppendCall | null = null
  #beginning: Promise<AppendCall> | null = null
  #isRetired = false
  readonly #tls: { readonly ca?: Buffer } | null
  readonly #keepAlive: { readonly intervalMs: number; readonly timeoutMs: number } | null

  /** Those in the connection string, which the client keeps to itself; null where there are none. */
  readonly credentials: Credentials | null

  /**
   * Connects to nothing yet. What `urlMistake` finds no fault with is understood. `connection` counts them: gRPC keeps
   * trying less and less often, up to two minutes apart, and shares that among all connections whose target and options
   * are the same; so one of the options differs, by a millisecond, and the next one is tried at once.
   */
  static connect(url: string, connection = 0): LogClient {
    return new LogClient(parseConnectionString(url), connection)
  }

  private constructor(
    { hosts, dnsDiscover, defaultCredentials, tls, tlsCAFile, ...given }: ConnectionOptions,
    connection: number,
  ) {
    const { keepAliveInterval = 10_000, keepAliveTimeout = 10_000 } = given
    const options = {
      ...given,
      keepAliveInterval: keepAliveInterval < 0 ? keepAliveInterval : keepAliveInterval + (connection % 1_000),
    }
    const ca = tls === false || tlsCAFile === undefined ? undefined : readFileSync(resolve(tlsCAFile))
    const security = { insecure: tls === false, ...(ca === undefined ? {} : { rootCertificate: ca }) }
    const [host = { address: 'localhost', port: 2113 }] = hosts
    if (dnsDiscover) super({ ...options, discover: host }, security, defaultCredentials)
    else if (hosts.length > 1) super({ ...options, endpoints: hosts }, security, defaultCredentials)
    else super({ ...options, endpoint: host }, security, defaultCredentials)
    this.credentials = defaultCredentials ?? null
    this.#tls = tls === false ? null : ca === undefined ? {} : { ca }
    this.#keepAlive =
      keepAliveInterval < 0 || keepAliveTimeout < 0
        ? null
        : { intervalMs: keepAliveInterval, timeoutMs: keepAliveTimeout }
    const disposeReads = this.dispose
    this.dispose = async () => {
      this.retire()
      await disposeReads()
    }
  }

  /** Appends nothing more; what is being read goes on. */
  retire(): void {
    this.#isRetired = true
    this.#appends?.close()
  }

  /**
   * Appends through the leader: see `AppendCall`. To find out who that is may take as long again, in a cluster that does
   * not answer.
   */
  appendAt(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    return this.#appends?.isOpen === true
      ? this.#appends.append(proposal, patienceMs)
      : this.#appendAnew(proposal, patienceMs)
  }

  /** Reads without a deadline of the client's: whoever reads has to cancel what is silent. */
  read(what: ReadRequest, asking: Asking): Promise<ReadCall> {
    const open = this.GRPCStreamCreator(grpc.StreamsClient, 'read', (client: StreamsClient) =>
      client.makeServerStreamRequest(
        '/event_store.client.streams.Streams/Read',
        (request: ReadReq) => Buffer.from(request.serializeBinary()),
        readAnswer,
        readRequest(what),
        ...this.callArguments(asking, { deadline: Number.POSITIVE_INFINITY }),
      ),
    )
    return open()
  }

  async #appendAnew(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = null
    })
    const appends = await within(this.#beginning, patienceMs, () => {
      throw silence()
    })
    return appends.append(proposal, patienceMs)
  }

  // To the node that the client has found, which may not be the leader: then it says who is, and the client goes there.
  async #begin(): Promise<AppendCall> {
    const client = await this.execute(grpc.StreamsClient, 'batchAppend', async (streams) => streams)
    if (this.#isRetired) throw new UnavailableError(undefined, 'the connection is closed')
    const address = client
      .getChannel()
      .getTarget()
      .replace(/^dns:\/*/, '')
    const { username, password } = this.credentials ?? {}
    this.#appends = new AppendCall({
      origin: `${this.#tls === null ? 'http' : 'https'}://${address}`,
      ...this.#tls,
      headers: {
        'connection-name': this.connectionName,
        'requires-leader': 'true',
        ...(this.#tls === null || username === undefined
          ? {}
          : { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }),
      },
      keepAlive: this.#keepAlive,
      onTrouble: (error) => void this.handleError(client, error),
    })
    return this.#appends
  }
}
