import { once } from 'node:events'
import { createSecureServer, createServer, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTcpServer } from 'node:net'
import type { ServiceError } from '@grpc/grpc-js'
import { expect, onTestFinished, test, vi } from 'vitest'
import { GrpcCall, type GrpcCallOptions } from '../../../src/event-store/eventstoredb/grpc-call.ts'
import { selfSigned } from './double/certificate.ts'
import { framed, portOf, serve } from './raw-server.ts'

const UNAVAILABLE = 14

function call(origin: string, options: Partial<GrpcCallOptions> = {}) {
  const messages: string[] = []
  const ended = Promise.withResolvers<ServiceError>()
  const opened = new GrpcCall({
    origin,
    path: '/a.test/Call',
    headers: {},
    keepAlive: null,
    onMessage: (bytes) => messages.push(bytes.toString()),
    onEnd: ended.resolve,
    ...options,
  })
  onTestFinished(() => opened.close())
  return { opened, messages, ended: ended.promise }
}

const give = (opened: GrpcCall, text: string) =>
  opened.give((writer) => {
    const bytes = Buffer.from(text)
    writer.realloc(bytes.length)
    writer.buf.set(bytes, writer.pos)
    writer.pos += bytes.length
  })

/** Takes connections and says nothing. */
function muteServer(): Promise<number> {
  const mute = createTcpServer((socket) => onTestFinished(() => void socket.destroy()))
  onTestFinished(() => void mute.close())
  return portOf(mute)
}

function answer(
  stream: ServerHttp2Stream,
  trailers: Record<string, string>,
  body: readonly Buffer[] = [],
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  for (const chunk of body) stream.write(chunk)
  stream.end()
}

test('messages that are given before a flush go in one piece, in their order, and none without it', async () => {
  const chunks: Buffer[] = []
  const port = await serve((stream) => stream.on('data', (chunk: Buffer) => chunks.push(chunk)))
  const { opened } = call(`http://127.0.0.1:${port}`)
  give(opened, 'one')
  give(opened, 'two')
  opened.flush()
  give(opened, 'unsent')
  await vi.waitFor(() => expect(chunks).toHaveLength(1))
  expect(chunks[0]).toEqual(Buffer.concat([framed('one'), framed('two')]))
})

test('a message larger than there is room for goes whole, and small ones follow it', async () => {
  const received: Buffer[] = []
  const port = await serve((stream) => stream.on('data', (chunk: Buffer) => received.push(chunk)))
  const { opened } = call(`http://127.0.0.1:${port}`)
  const large = 'x'.repeat(300_000)
  give(opened, large)
  opened.flush()
  give(opened, 'small')
  opened.flush()
  const expected = Buffer.concat([framed(large), framed('small')])
  await vi.waitFor(() => expect(Buffer.concat(received)).toHaveLength(expected.length))
  expect(Buffer.concat(received).equals(expected)).toBe(true)
})

test('messages come whole and in order, however they are cut on their way', async () => {
  const all = Buffer.concat(['one', '', 'three'].map(framed))
  for (const size of [1, 4, 6, all.length]) {
    const port = await serve((stream) => {
      const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
        all.subarray(index * size, (index + 1) * size),
      )
      answer(stream, { 'grpc-status': '0' }, pieces)
    })
    const { messages, ended } = call(`http://127.0.0.1:${port}`)
    await ended
    expect(messages, `pieces of ${size}`).toEqual(['one', '', 'three'])
  }
})

test('it says to whom and as whom it speaks', async () => {
  const heard = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  const port = await serve((_stream, headers) => heard.resolve(headers))
  call(`http://127.0.0.1:${port}`, { headers: { authorization: 'Basic abc' } })
  expect(await heard.promise).toMatchObject({
    ':method': 'POST',
    ':path': '/a.test/Call',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: 'Basic abc',
  })
})

test.each([
  ['with trailers', (stream: ServerHttp2Stream, status: Record<string, string>) => answer(stream, status)],
  [
    'at once',
    (stream: ServerHttp2Stream, status: Record<string, string>) =>
      stream.respond({ ':status': 200, ...status }, { endStream: true }),
  ],
])('what the server refuses %s comes with its code, its words and what it says besides', async (_, refuse) => {
  const status = { 'grpc-status': '9', 'grpc-message': 'not the l%C3%A9ader', exception: 'not-leader' }
  const port = await serve((stream) => refuse(stream, status))
  const { ended, opened } = call(`http://127.0.0.1:${port}`)
  const error = await ended
  expect(error).toMatchObject({ code: 9, details: 'not the léader' })
  expect(error.metadata.get('exception')).toEqual(['not-leader'])
  expect(opened.isOpen).toBe(false)
})

test('words that are not written as they should be are told as they are', async () => {
  const port = await serve((stream) => answer(stream, { 'grpc-status': '13', 'grpc-message': '100 % wrong' }))
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({ code: 13, details: '100 % wrong' })
})

test('a server that ends the call in peace is unavailable for what would come', async () => {
  const port = await serve((stream) => answer(stream, { 'grpc-status': '0' }))
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({ code: UNAVAILABLE })
})

test('a stream that ends without a word more is one that the server has ended', async () => {
  const port = await serve((stream) => {
    stream.respond({ ':status': 200 })
    stream.end(framed('last'))
  })
  const { ended, messages } = call(`http://127.0.0.1:${port}`)
  expect(await ended).toMatchObject({ code: UNAVAILABLE, details: 'the server has ended the call' })
  expect(messages).toEqual(['last'])
})

test('an answer that is not gRPC says which it is', async () => {
  const port = await serve((stream) => stream.respond({ ':status': 502 }, { endStream: true }))
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({
    code: UNAVAILABLE,
    details: 'HTTP status 502',
  })
})

test.each([
  ['that is compressed', Buffer.from([1, 0, 0, 0, 0])],
  ['that is larger than any', Buffer.from([0, 255, 255, 255, 255])],
])('a message %s ends the call', async (_, bytes) => {
  const port = await serve((stream) => answer(stream, { 'grpc-status': '0' }, [bytes]))
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({ code: 13 })
})

test('a message that nobody can read ends the call, and not the process', async () => {
  const port = await serve((stream) => answer(stream, { 'grpc-status': '0' }, [framed('gibberish')]))
  const onMessage = () => {
    throw new RangeError('no such field')
  }
  expect(await call(`http://127.0.0.1:${port}`, { onMessage }).ended).toMatchObject({ code: 13 })
})

test('a connection that breaks, and one that nobody takes, end the call', async () => {
  const port = await serve((stream) => stream.session?.destroy())
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({ code: UNAVAILABLE })

  const server = createTcpServer()
  const free = await portOf(server)
  server.close()
  await once(server, 'close')
  const { code, details } = await call(`http://127.0.0.1:${free}`).ended
  expect(code).toBe(UNAVAILABLE)
  expect(details).toContain('ECONNREFUSED')
})

test('a server that takes the connection and says nothing is found out', async () => {
  const port = await muteServer()
  const { ended } = call(`http://127.0.0.1:${port}`, { keepAlive: { intervalMs: 20, timeoutMs: 20 } })
  expect(await ended).toMatchObject({ code: UNAVAILABLE, details: 'keepalive timed out' })
})

test('a TLS handshake that nobody answers, where no ping can be sent, is found out too', async () => {
  const port = await muteServer()
  const { ended } = call(`https://127.0.0.1:${port}`, { keepAlive: { intervalMs: 20, timeoutMs: 20 } })
  expect(await ended).toMatchObject({ code: UNAVAILABLE, details: 'there is no connection to ping' })
})

test('a server that says it is leaving, and then nothing, is found out', async () => {
  const port = await serve((stream) => {
    stream.respond({ ':status': 200 })
    stream.session?.goaway()
  })
  const { ended } = call(`http://127.0.0.1:${port}`, { keepAlive: { intervalMs: 50, timeoutMs: 20 } })
  expect(await ended).toMatchObject({ code: UNAVAILABLE })
})

test.each([
  [401, 16],
  [403, 7],
])('HTTP status %i means what it means in gRPC', async (http, code) => {
  const port = await serve((stream) => stream.respond({ ':status': http }, { endStream: true }))
  expect(await call(`http://127.0.0.1:${port}`).ended).toMatchObject({ code })
})

test('a server that answers is left alone', async () => {
  let pings = 0
  const server = createServer()
  server.on('session', (session) => session.on('ping', () => pings++))
  const port = await serve((stream) => stream.respond({ ':status': 200 }), server)
  const { opened } = call(`http://127.0.0.1:${port}`, { keepAlive: { intervalMs: 10, timeoutMs: 5_000 } })
  await vi.waitFor(() => expect(pings).toBeGreaterThan(2))
  expect(opened.isOpen).toBe(true)
})

test('a certificate is trusted where it was given, and else is what the call ends with', async () => {
  const certificate = selfSigned()
  const calls: string[] = []
  const port = await serve((stream) => {
    calls.push('came')
    answer(stream, { 'grpc-status': '0' }, [framed('hello')])
  }, createSecureServer(certificate))
  const { messages, ended } = call(`https://localhost:${port}`, { ca: Buffer.from(certificate.cert) })
  await ended
  expect(messages).toEqual(['hello'])
  const { code, details } = await call(`https://localhost:${port}`).ended
  expect(code).toBe(UNAVAILABLE)
  expect(details).toMatch(/certificate/)
  expect(calls).toHaveLength(1)
})

test('one that is closed ends once, and takes nothing more', async () => {
  const port = await serve((stream) => stream.respond({ ':status': 200 }))
  const onEnd = vi.fn()
  const { opened } = call(`http://127.0.0.1:${port}`, { onEnd })
  opened.close()
  opened.close()
  give(opened, 'late')
  opened.flush()
  expect(opened.isOpen).toBe(false)
  expect(onEnd).toHaveBeenCalledOnce()
})
