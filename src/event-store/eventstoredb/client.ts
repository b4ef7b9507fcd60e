import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Credentials, EventStoreDBClient } from '@eventstore/db-client'
import {
  type ConnectionOptions,
  parseConnectionString,
} from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import grpc, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import { within } from '../../waiting.ts'
import { type Accepted, AppendCall, type BatchAppendCall, type Proposal } from './append-call.ts'
import { silence } from './errors.ts'

/**
 * The client, with appends of its own. The client's own ones either cost a call each, four times as dear, or share what is
 * pending among all clients of a process, where one's failure is everybody's and an answer that comes late ends the process.
 */
export class LogClient extends EventStoreDBClient {
  readonly #appends = new WeakMap<BatchAppendCall, AppendCall>()
  // The client makes a new `StreamsClient` with each connection, and forgets a call that has ended.
  readonly #calls = new WeakMap<StreamsClient, BatchAppendCall | Promise<BatchAppendCall>>()
  readonly #openCall = this.GRPCStreamCreator(
    grpc.StreamsClient,
    'batchAppend',
    (client) => this.#begin(client),
    this.#calls,
  )

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
    const { keepAliveInterval = 10_000 } = given
    const options = {
      ...given,
      keepAliveInterval: keepAliveInterval < 0 ? keepAliveInterval : keepAliveInterval + (connection % 1_000),
    }
    const security = {
      insecure: tls === false,
      ...(tlsCAFile === undefined ? {} : { rootCertificate: readFileSync(resolve(tlsCAFile)) }),
    }
    const [host = { address: 'localhost', port: 2113 }] = hosts
    if (dnsDiscover) super({ ...options, discover: host }, security, defaultCredentials)
    else if (hosts.length > 1) super({ ...options, endpoints: hosts }, security, defaultCredentials)
    else super({ ...options, endpoint: host }, security, defaultCredentials)
    this.credentials = defaultCredentials ?? null
  }

  /**
   * Appends through the leader: see `AppendCall`. To find out who that is may take as long again, in a cluster that does
   * not answer.
   */
  async appendAt(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    const call = await within(this.#openCall(), patienceMs, () => {
      throw silence()
    })
    const appends = this.#appends.get(call)
    if (appends === undefined) throw new TypeError('a call that was not begun here')
    return appends.append(proposal, patienceMs)
  }

  #begin(client: StreamsClient): BatchAppendCall {
    const call = client.batchAppend(
      ...this.callArguments({ requiresLeader: true }, { deadline: Number.POSITIVE_INFINITY }),
    )
    const onUnready = (error: Error) => {
      call.end()
      // It looks for another node, as after a call that could not be made.
      void this.handleError(client, error)
    }
    this.#appends.set(call, new AppendCall(call, onUnready))
    return call
  }
}
