import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'

export interface Post {
  readonly path: string
  readonly signature: string
  readonly type: string
  readonly body: string
  /** Which try of this body it is, from 1. */
  readonly attempt: number
}

/** Something that answers like a ledger, on a port of its own, until the test is finished. */
export async function standIn(answer: (post: Post, response: ServerResponse) => void) {
  const posts: Post[] = []
  const server = createServer(async (request, response) => {
    const body = await textOf(request)
    const attempt = 1 + posts.filter((post) => post.body === body).length
    const post = {
      path: `${request.method} ${request.url}`,
      signature: String(request.headers['postscript-signature']),
      type: String(request.headers['content-type']),
      body,
      attempt,
    }
    posts.push(post)
    answer(post, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the stand-in has no port')
  return { url: `http://127.0.0.1:${address.port}`, posts }
}

/** Says `result` with 200, as a ledger does. */
export function say(response: ServerResponse, result: string): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ result }))
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}
