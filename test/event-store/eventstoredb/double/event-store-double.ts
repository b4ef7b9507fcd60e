/**
 * A test double of EventStoreDB: a small gRPC server in memory that speaks as much of the wire as the client's streams
 * need, with the server's own rules, and that misbehaves when it is told to. The real server (23.10) has the last word:
 * where they differ, the double is wrong.
 */
import { randomUUID } from 'node:crypto'
import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb.js'
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js'
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import { type ConnectionInjector, Server, ServerCredentials } from '@grpc/grpc-js'
import { appendHandler } from './append.ts'
import { batchAppendHandler } from './batch-append.ts'
import { Connections } from './connections.ts'
import { deleteHandler, tombstoneHandler } from './delete.ts'
import { featuresHandler, gossipHandler } from './discovery.ts'
import { type Fault, Faults } from './faults.ts'
import { type ContentType, Log, type StoredEvent } from './log.ts'
import { readHandler } from './read.ts'
import type { Counts, ServerNode } from './server-node.ts'
import { SYSTEM_EVENTS } from './system-events.ts'
import { append, type Outcome, remove, tombstone, truncate } from './writes.ts'

export type { Fault } from './faults.ts'
export type { StoredEvent } from './log.ts'

export interface EventStoreDoubleOptions {
  readonly port?: number
  /** Passwords by name. They count with TLS only, as the client sends them over nothing else. */
  readonly users?: Readonly<Record<string, string>>
  /** As PEM. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export interface ForeignEvent {
  readonly type: string
  readonly contentType: ContentType
  readonly data: Uint8Array
  readonly metadata: Uint8Array
  readonly id?: string
}

/** The largest message that the server takes. */
const LARGEST_MESSAGE = 16 * 1024 * 1024

export class EventStoreDouble {
  readonly #log = new Log()
  readonly #faults = new Faults()
  readonly #counts: Counts = { appends: 0, batchAppends: 0, reads: 0, subscriptions: 0 }
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #tls: boolean
  readonly #node: ServerNode
  readonly #server: Server
  readonly #injector: ConnectionInjector
  readonly #connections: Connections

  static async start(options: EventStoreDoubleOptions = {}): Promise<EventStoreDouble> {
    const double = new EventStoreDouble(options)
    await double.#connections.listen()
    return double
  }

  private constructor({ port = 0, users, tls }: EventStoreDoubleOptions) {
    this.#tls = tls !== undefined
    for (const [stream, event] of SYSTEM_EVENTS) this.#log.append(stream, [event])
    this.#node = {
      log: this.#log,
      faults: this.#faults,
      counts: this.#counts,
      subscriptions: new Set(),
      users: this.#tls ? (users ?? null) : null,
      cut: (peer) => this.#connections.cut(peer),
      later: (milliseconds, action) => this.#later(milliseconds, action),
    }
    this.#server = new Server({
      'grpc.max_receive_message_length': LARGEST_MESSAGE,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
    })
    this.#serve()
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [
            { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) },
          ])
    this.#injector = this.#server.createConnectionInjector(credentials)
    this.#connections = new Connections(port, (socket) => this.#injector.injectConnection(socket))
  }

  get port(): number {
    return this.#connections.port
  }

  /** A connection string, without credentials, and with TLS without the authority that the client is to trust. */
  get url(): string {
    return this.#tls ? `esdb://localhost:${this.port}?tls=true` : `esdb://127.0.0.1:${this.port}?tls=false`
  }

  /** Cuts all connections at once and listens no more, as a kill does; the data stay. */
  async kill(): Promise<void> {
    this.#clearTimers()
    await this.#connections.close()
    this.#log.forgetIds()
  }

  /** On the same port with the same data; kills it before if it still runs. */
  async restart(): Promise<void> {
    await this.kill()
    await this.#connections.listen()
  }

  async close(): Promise<void> {
    await this.kill()
    this.#injector.destroy()
    this.#server.forceShutdown()
  }

  /** Until `behave`, or for so many of the calls that the fault acts on: appends each, within batches too. */
  misbehave(fault: Fault, times = Number.POSITIVE_INFINITY): void {
    const running = [...this.#node.subscriptions]
    switch (fault.name) {
      case 'end-subscription':
        for (const subscription of running) subscription.end()
        return
      case 'consumer-too-slow':
        for (const subscription of running) subscription.fail({ reason: 'consumer-too-slow' })
        return
      case 'shutdown-subscription':
        for (const subscription of running) subscription.fail({ reason: 'shutting-down' })
        return
      case 'silent-subscription':
        for (const subscription of running) subscription.setSilent(true)
    }
    this.#faults.add(fault, times)
  }

  /** Clears all faults. Silent subscriptions go on where they were; what was not answered stays so. */
  behave(): void {
    this.#faults.clear()
    for (const subscription of this.#node.subscriptions) subscription.setSilent(false)
  }

  /** What is stored, in the order of the log, also what reads do not show: without the system's, or of one stream. */
  events(stream?: string): readonly StoredEvent[] {
    if (stream === '$all') return [...this.#log.events]
    return this.#log.events.filter((event) =>
      stream === undefined ? !event.stream.startsWith('$') : event.stream === stream,
    )
  }

  /** As a foreign writer would, wherever the stream ends. */
  put(stream: string, event: ForeignEvent): void {
    did(append(this.#log, { stream, expected: 'any', events: [{ id: randomUUID(), ...event }] }))
  }

  softDelete(stream: string): void {
    did(remove(this.#log, stream, 'any'))
  }

  truncateBefore(stream: string, revision: bigint): void {
    truncate(this.#log, stream, revision)
  }

  tombstone(stream: string): void {
    did(tombstone(this.#log, stream, 'any'))
  }

  /** What came in so far, also what was refused or not answered. */
  counts(): Readonly<Counts> {
    return { ...this.#counts }
  }

  #serve(): void {
    this.#server.addService(StreamsService, {
      append: appendHandler(this.#node),
      batchAppend: batchAppendHandler(this.#node),
      delete: deleteHandler(this.#node),
      tombstone: tombstoneHandler(this.#node),
      read: readHandler(this.#node),
    })
    this.#server.addService(ServerFeaturesService, { getSupportedMethods: featuresHandler(this.#node) })
    const host = this.#tls ? 'localhost' : '127.0.0.1'
    this.#server.addService(GossipService, { read: gossipHandler(() => ({ host, port: this.port })) })
  }

  #later(milliseconds: number, action: () => void): void {
    if (milliseconds === 0) {
      action()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, milliseconds)
    this.#timers.add(timer)
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }
}

function did(outcome: Outcome): void {
  if ('refused' in outcome) throw new Error(`refused: ${outcome.refused.reason}`)
}
