import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { StoreError } from '../event-store/event-store.ts'
import { ProjectionNotReady, RebuildRunning } from '../projecting/projection-status.ts'

/** Every problem that a caller can meet, by its stable slug. The only place that chooses a status. */
const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is not well-formed' },
  'bad-parameter': { status: 400, title: 'A parameter is not as it should be' },
  unauthorized: { status: 401, title: 'A valid key is needed' },
  'signature-refused': { status: 401, title: 'The signature is missing or wrong' },
  forbidden: { status: 403, title: 'The key does not allow this' },
  'not-found': { status: 404, title: 'There is no such resource' },
  'unknown-shop': { status: 404, title: 'There is no such shop' },
  'unknown-subscriber': { status: 404, title: 'There is no such subscriber' },
  'unknown-projection': { status: 404, title: 'There is no such projection' },
  'no-rebuild': { status: 404, title: 'No rebuild is running' },
  'rebuild-running': { status: 409, title: 'A rebuild is running' },
  'nothing-to-switch': { status: 409, title: 'There is no generation to switch to' },
  'nothing-to-compare': { status: 409, title: 'There are no two generations to compare' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is of no supported type' },
  'store-unavailable': { status: 503, title: 'The event store cannot be reached' },
  'store-overloaded': { status: 503, title: 'Too much is under way' },
  'store-misconfigured': { status: 503, title: 'The event store refuses the ledger' },
  'store-refuses': { status: 500, title: 'The event store refuses the event' },
  'store-damaged': { status: 500, title: 'What is stored is not what was written' },
  'projection-not-ready': { status: 503, title: 'The projection is being built' },
  'inspection-failed': { status: 503, title: 'The generations could not be compared' },
  'not-projected-in-time': { status: 504, title: 'The position has not been projected in time' },
  internal: { status: 500, title: 'Something went wrong here' },
} as const

export type ProblemCode = keyof typeof PROBLEMS

/** A request that can't be granted; `detail` is read by the caller, so it holds nothing secret. */
export class Refusal extends Error {
  override name = 'Refusal'
  readonly code: ProblemCode

  constructor(code: ProblemCode, detail: string) {
    super(detail)
    this.code = code
  }
}

/** RFC 9457. */
export const Problem = z
  .object({ type: z.string(), title: z.string(), status: z.int(), detail: z.string() })
  .meta({ id: 'Problem', description: 'RFC 9457; type is a stable slug' })

/** How long a caller should wait before it tries again what could not be done now, in seconds. */
const RETRY_AFTER_SECONDS = 2

/** Answers every error as a problem, and tells the log of those that are the ledger's own. */
export function answerErrorsAsProblems(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const refusal = refusalOf(error)
    const { status } = PROBLEMS[refusal.code]
    if (status >= 500) {
      // The route and not the address, whose query may hold a phone number.
      const { code, name, stack } = error
      request.log.error({ route: request.routeOptions.url, code, name, stack }, refusal.code)
    }
    return answer(reply, refusal)
  })
  app.setNotFoundHandler((_request, reply) =>
    answer(reply, new Refusal('not-found', 'no such path, or not with this method')),
  )
}

/** Fastify's options for what fails before there is a route: no error handler is asked then. */
export const problemsBeforeRouting = {
  frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) => {
    answer(reply, refusalOf(error))
  },
  // Fastify's own would log the packet, and there may be a token in it.
  clientErrorHandler: (error: { readonly code?: string }, socket: Socket) => {
    if (error.code !== 'ECONNRESET' && socket.writable) socket.write(BAD_PACKET)
    socket.destroy()
  },
} as const

function answer(reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { code } = refusal
  const { status } = PROBLEMS[code]
  if (status === 401)
    reply.header('www-authenticate', code === 'unauthorized' ? 'Bearer' : 'Postscript-Signature')
  if (status === 503) reply.header('retry-after', String(RETRY_AFTER_SECONDS))
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problemOf(refusal))
}

function problemOf({ code, message: detail }: Refusal) {
  const { status, title } = PROBLEMS[code]
  return { type: code, title, status, detail }
}

const BAD_PACKET = rawAnswer(problemOf(new Refusal('bad-request', 'the request could not be read')))

function rawAnswer(problem: z.infer<typeof Problem>): string {
  const body = JSON.stringify(problem)
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

function refusalOf(error: FastifyError): Refusal {
  if (error instanceof Refusal) return error
  if (error instanceof StoreError || error instanceof ProjectionNotReady || error instanceof RebuildRunning)
    return new Refusal(error.code, error.message)
  if (hasZodFastifySchemaValidationErrors(error)) {
    const [first] = error.validation
    const name = first?.instancePath.slice(1).replaceAll('/', '.') ?? ''
    return new Refusal(
      'bad-parameter',
      `${name === '' ? '' : `${name}: `}${first?.message ?? 'not as it should be'}`,
    )
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Refusal('body-too-large', 'at most 256 KiB')
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return new Refusal('unsupported-media-type', 'send application/json')
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new Refusal('bad-request', 'the request could not be read')
  return new Refusal('internal', 'the log of this server says more')
}
