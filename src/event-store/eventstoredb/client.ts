import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { EventStoreDBClient } from '@eventstore/db-client'
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString.js'
import grpc, { type StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import { type Accepted, AppendCall, type BatchAppendCall, type Proposal } from './append-call.ts'

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

  /** Connects to nothing yet. What `urlMistake` finds no fault with is understood. */
  static connect(url: string): LogClient {
    const { hosts, dnsDiscover, defaultCredentials, tls, tlsCAFile, ...options } = parseConnectionString(url)
    const security = {
      insecure: tls === false,
      ...(tlsCAFile === undefined ? {} : { rootCertificate: readFileSync(resolve(tlsCAFile)) }),
    }
    const [host = { address: 'localhost', port: 2113 }] = hosts
    if (dnsDiscover) return new LogClient({ ...options, discover: host }, security, defaultCredentials)
    return hosts.length > 1
      ? new LogClient({ ...options, endpoints: hosts }, security, defaultCredentials)
      : new LogClient({ ...options, endpoint: host }, security, defaultCredentials)
  }

  /** Appends through the leader: see `AppendCall`. */
  async appendAt(proposal: Proposal, patienceMs: number): Promise<Accepted> {
    const call = await this.#openCall()
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
