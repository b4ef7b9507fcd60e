import { createServer, type Http2SecureServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { onTestFinished } from 'vitest'
import * as z from 'zod'

interface Listening {
  on(event: 'listening', listener: () => void): unknown
  listen(port: number, host: string): unknown
  address(): unknown
}

/** Of a server that listens from now on. */
export async function portOf(server: Listening): Promise<number> {
  const listening = new Promise<void>((resolve) => server.on('listening', resolve))
  server.listen(0, '127.0.0.1')
  await listening
  return z.object({ port: z.int() }).parse(server.address()).port
}

/** The port of an HTTP/2 server that does with each call what the test says; closed when the test is finished. */
export async function serve(
  onCall: (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => void,
  server: Http2Server | Http2SecureServer = createServer(),
): Promise<number> {
  server.on('stream', onCall)
  server.on('session', (session) => onTestFinished(() => session.destroy()))
  onTestFinished(() => void server.close())
  return portOf(server)
}

/** A message as gRPC frames it, uncompressed. */
export function framed(message: string | Uint8Array): Buffer {
  const bytes = Buffer.from(message)
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([prefix, bytes])
}
