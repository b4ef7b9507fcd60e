import { once } from 'node:events'
import { connect } from 'node:net'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { message, optIn, SHOP } from '../ledger/deliveries.ts'
import { FOREIGN_TOKEN, OPERATOR, READER, runApp, TOKEN } from './running-app.ts'

const PHONE = '+15553141592'
const EMAIL = 'confidential@example.com'
const BODY = 'a very private message'
const WRONG_TOKEN = 'token-that-was-guessed'
const WRONG_KEY = 'lk_that_was_guessed'
const SECRETS = [TOKEN, FOREIGN_TOKEN, READER, OPERATOR, WRONG_TOKEN, WRONG_KEY, '3141592', EMAIL, BODY]

/** All the shapes in which a log line could hold a text. */
function shapesOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('hex'),
    [...bytes].join(','),
  ]
}

test('no log line at any level holds a token, a key, a phone number, an address or a body', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) })
  const ledger = await runApp({ logger })
  const data = { subscriber_id: 's_1', from_number: PHONE, email: EMAIL, body: BODY }
  const text = JSON.stringify(message('2026-03-01T10:00:00', data))

  for (const body of [text, text, text.slice(0, -1), `[${text}]`, text.replace('s_1', EMAIL), ''])
    for (const token of [TOKEN, FOREIGN_TOKEN, WRONG_TOKEN])
      await ledger.post(body, { 'postscript-signature': token })
  await ledger.post(text, {})
  await ledger.post(text, { 'postscript-signature': TOKEN, 'content-type': BODY })
  await ledger.post(text.padEnd(300_000, BODY))

  const subscriber = `/v1/shops/${SHOP}/subscribers/s_1`
  const shop = `/v1/shops/${SHOP}`
  for (const url of [
    `${shop}/subscribers?phone=${encodeURIComponent(PHONE)}`,
    `${shop}/subscribers?phone=x${PHONE}&email=${EMAIL}`,
    `${shop}/subscribers?${EMAIL}=1&cursor=${PHONE}`,
    `${shop}/consent?phone=${encodeURIComponent(PHONE)}&at=${EMAIL}`,
    `${shop}/consent?phone=${encodeURIComponent(PHONE)}`,
    `${shop}/subscribers/${EMAIL}`,
    `${shop}/subscribers/%ZZ${EMAIL}`,
    `${shop}/subscribers/${EMAIL.repeat(20)}`,
    `/${EMAIL}?phone=${PHONE}`,
    subscriber,
    `${subscriber}/consent`,
    `${subscriber}/consent/history`,
    `${subscriber}/timeline`,
    `${subscriber}/events`,
    `${shop}/unplaced`,
    '/metrics',
    '/healthz',
    '/readyz',
    '/docs',
    '/openapi.json',
  ])
    for (const secret of [READER, OPERATOR, WRONG_KEY, null]) await ledger.get(url, secret)

  await sendRaw(
    `POST /webhooks/postscript HTTP/1.1\r\nPostscript-Signature: ${TOKEN}\r\nBroken ${BODY}\r\n\r\n`,
  )
  await sendRaw(
    `GET /${EMAIL} HTTP/1.1\r\nHost: a\r\nAuthorization: ${READER}\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  )

  // What fails inside must not be told with what it was about.
  await ledger.store.close()
  await ledger.post(optIn('2026-03-01T10:00:00', data))
  await ledger.get(`${subscriber}/events?limit=1`)
  await ledger.get(`${shop}/consent?phone=${encodeURIComponent(PHONE)}`)
  await ledger.close()

  const log = lines.join('')
  expect(log).toContain('a delivery was refused')
  expect(log).toContain('store-unavailable')
  for (const secret of SECRETS)
    for (const shape of shapesOf(secret))
      expect(
        lines.filter((line) => line.includes(shape)),
        secret,
      ).toEqual([])

  async function sendRaw(packet: string): Promise<void> {
    const socket = connect({ port: await ledger.listen(), host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.end(packet)
    socket.resume()
    await once(socket, 'close')
  }
})
