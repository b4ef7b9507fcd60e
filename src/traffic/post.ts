import http from 'node:http'
import https from 'node:https'
import { z } from 'zod'
import type { PlannedDelivery } from './mailing.ts'

/** What a ledger says it did with a delivery. */
export type Result = 'recorded' | 'duplicate' | 'spooled'

export type Answer =
  | { readonly status: number; readonly result: Result | null; readonly retryAfterMs: number | null }
  /** No answer came, or not all of it: `error` is the system's code, such as `ECONNREFUSED`. */
  | { readonly status: null; readonly error: string }

export interface Postman {
  /** Never rejects: what goes wrong is an answer too. */
  post(delivery: Pick<PlannedDelivery, 'body' | 'signingToken'>): Promise<Answer>
  /** Cuts off what is under way, which then ends without an answer. */
  close(): void
}

const ACKNOWLEDGEMENT = z.object({ result: z.enum(['recorded', 'duplicate', 'spooled']) })

/** Posts as Postscript does, over at most so many kept-alive connections. By node:http, which is leaner than fetch. */
export function postman(url: string, options: { connections: number; answerWithinMs: number }): Postman {
  const base = new URL(url)
  const transport = base.protocol === 'https:' ? https : http
  const agent = new transport.Agent({
    keepAlive: true,
    maxSockets: options.connections,
  })
  const target = {
    agent,
    timeout: options.answerWithinMs,
    method: 'POST',
    protocol: base.protocol,
    hostname: base.hostname.replace(/^\[|\]$/g, ''),
    port: base.port,
    path: `${base.pathname.replace(/\/$/, '')}/webhooks/postscript`,
  }

  return {
    post: ({ body, signingToken }) =>
      new Promise((resolve) => {
        const fail = (error: NodeJS.ErrnoException) =>
          resolve({ status: null, error: error.code ?? error.name })
        const headers = {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'postscript-signature': signingToken,
        }
        const request = transport.request({ ...target, headers }, (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (part: string) => {
            text += part
          })
          response.on('error', fail)
          response.on('end', () => {
            const status = response.statusCode ?? 0
            resolve({ status, result: resultIn(status, text), retryAfterMs: retryAfter(response.headers) })
          })
        })
        request.on('error', fail)
        request.on('timeout', () => {
          request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
        })
        request.end(body)
      }),
    close: () => agent.destroy(),
  }
}

/** Whether anything listens there; null where it does, else the system's code for why not. */
export async function unreachable(url: string, answerWithinMs = 5_000): Promise<string | null> {
  const base = new URL(url)
  const transport = base.protocol === 'https:' ? https : http
  const health = new URL(`${base.pathname.replace(/\/$/, '')}/healthz`, base)
  return new Promise((resolve) => {
    const request = transport.get(health, { agent: false, timeout: answerWithinMs }, (response) => {
      response.resume()
      response.on('close', () => resolve(null))
    })
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name))
    request.on('timeout', () => {
      request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }))
    })
  })
}

function resultIn(status: number, text: string): Result | null {
  if (status !== 200) return null
  try {
    return ACKNOWLEDGEMENT.safeParse(JSON.parse(text)).data?.result ?? null
  } catch {
    return null
  }
}

/** The date form is not worth reading: the ledger never sends it. */
function retryAfter(headers: http.IncomingHttpHeaders): number | null {
  const seconds = headers['retry-after']
  return seconds !== undefined && /^\d{1,4}$/.test(seconds) ? Number(seconds) * 1000 : null
}
