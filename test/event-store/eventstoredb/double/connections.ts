/**
 * A test double of EventStoreDB; the real server has the last word. Here are its port and the connections to it, which can
 * be cut without a farewell.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/**
 * The free ports that were given out. None is given twice: gRPC would have a new client share the connection, perhaps a
 * dying one, that an earlier one had to the same address.
 */
const givenOut = new Set<number>()

export class Connections {
  readonly #accept: (socket: Socket) => void
  readonly #open = new Set<Socket>()
  #server: Server | null = null
  #port: number

  /** 0 for whatever port is free, which it keeps from then on. */
  constructor(port: number, accept: (socket: Socket) => void) {
    this.#port = port
    this.#accept = accept
  }

  get port(): number {
    return this.#port
  }

  async listen(): Promise<void> {
    if (this.#server !== null) return
    const server = createServer((socket) => this.#add(socket))
    const port = await portOf(server.listen(this.#port, '127.0.0.1'))
    if (this.#port === 0 && givenOut.has(port)) {
      server.close()
      return this.listen()
    }
    givenOut.add(port)
    this.#server = server
    this.#port = port
  }

  /** Ends with no connection open and the port free. */
  async close(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of this.#open) socket.resetAndDestroy()
    await closed
  }

  /** The one from this peer, an address and port as gRPC spells them. */
  cut(peer: string): void {
    for (const socket of this.#open) {
      if (`${socket.remoteAddress}:${socket.remotePort}` === peer) socket.resetAndDestroy()
    }
  }

  #add(socket: Socket): void {
    this.#open.add(socket)
    socket.setNoDelay()
    socket.on('error', () => {})
    socket.on('close', () => this.#open.delete(socket))
    this.#accept(socket)
  }
}

async function portOf(server: Server): Promise<number> {
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
