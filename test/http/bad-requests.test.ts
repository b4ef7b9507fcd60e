import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { optIn, SHOP, SUBSCRIBER } from '../ledger/deliveries.ts'
import { expectProblem } from './problem.ts'
import { READER, runApp } from './running-app.ts'

const ledger = await runApp({}, afterAll)
const { position } = await ledger.record(optIn('2026-03-01T10:00:00.000000'))
const subscriber = `/subscribers/${SUBSCRIBER}`
// What is asked for below is there then.
for (const path of [subscriber, `${subscriber}/timeline`]) await ledger.read(`${path}?after=${position}`)
const lists = [
  '/subscribers',
  `${subscriber}/consent/history`,
  `${subscriber}/timeline`,
  `${subscriber}/events`,
  '/unplaced',
]
const withPhone = (path: string) => (path === '/consent' ? `${path}?phone=%2B15551234567&` : `${path}?`)

async function expectNamed(path: string, name: string): Promise<void> {
  expect(expectProblem(await ledger.read(path), 400, 'bad-parameter'), path).toContain(name)
}

describe('400 names what is wrong:', () => {
  test.each([
    ...lists,
    subscriber,
    `${subscriber}/consent`,
    '/consent',
  ])('a parameter that %s does not have', async (path) => {
    await expectNamed(`${withPhone(path)}limitt=5`, 'limitt')
    await expectNamed(`${withPhone(path)}__proto__=5`, '__proto__')
  })

  test.each(lists)('a limit of %s that is no number from 1 to 200', async (path) => {
    for (const limit of ['0', '201', '-1', '1.5', 'ten', '', '1e2', '0x10', '5&limit=6'])
      await expectNamed(`${path}?limit=${limit}`, 'limit')
    for (const limit of ['1', '200'])
      expect((await ledger.read(`${path}?limit=${limit}`)).statusCode).toBe(200)
  })

  test.each(lists)('a cursor that %s did not give', async (path) => {
    const cursor = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const text of [
      '',
      'x',
      '%00',
      cursor(null),
      cursor([]),
      cursor([{}]),
      cursor([1, 2, 3]),
      cursor([-1]),
    ])
      await expectNamed(`${path}?cursor=${text}`, 'cursor')
  })

  test.each([
    ...lists,
    subscriber,
    `${subscriber}/consent`,
    '/consent',
  ])('an after of %s that is no position', async (path) => {
    for (const after of ['', '0', 'latest', '-000000000000001', '00000000000000001', 'x000000000000001'])
      await expectNamed(`${withPhone(path)}after=${after}`, 'after')
  })

  test.each([
    [`${subscriber}/consent`, 'at'],
    [`${subscriber}/consent`, 'knownAt'],
    ['/consent', 'at'],
    ['/consent', 'knownAt'],
    [`${subscriber}/consent/history`, 'knownAt'],
    [`${subscriber}/timeline`, 'from'],
    [`${subscriber}/timeline`, 'to'],
  ])('a time that is none, of %s: %s', async (path, name) => {
    for (const time of [
      '',
      'now',
      '2026-03-01',
      '2026-02-30T00:00:00Z',
      '2026-03-01T25:00:00Z',
      '1772359200',
    ])
      await expectNamed(`${withPhone(path)}${name}=${time}`, name)
  })

  test('a status, kind or order that there is not', async () => {
    for (const status of ['', 'Subscribed', 'opt_in'])
      await expectNamed(`/subscribers?status=${status}`, 'status')
    for (const kind of ['', 'sms']) await expectNamed(`${subscriber}/timeline?kind=${kind}`, 'kind')
    for (const order of ['', 'ASC', 'newest'])
      await expectNamed(`${subscriber}/timeline?order=${order}`, 'order')
  })

  test('a phone number that is none, or is missing', async () => {
    for (const phone of ['', 'call me', '12', '%2B', '%2B999999999999999999999'])
      for (const path of ['/consent', '/subscribers']) await expectNamed(`${path}?phone=${phone}`, 'phone')
    await expectNamed('/consent', 'phone')
  })

  test('an empty e-mail address', () => expectNamed('/subscribers?email=', 'email'))
})

describe('a problem is told as a problem', () => {
  test.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/shops'],
    ['GET', `/v1/shops/${SHOP}/nothing`],
    ['GET', '/webhooks/postscript'],
    ['POST', `/v1/shops/${SHOP}/subscribers`],
    ['DELETE', `/v1/shops/${SHOP}/subscribers/${SUBSCRIBER}`],
    ['PUT', '/healthz'],
  ] as const)('where nothing is: %s %s', async (method, url) => {
    const headers = { authorization: `Bearer ${READER}` }
    expectProblem(await ledger.app.inject({ method, url, headers }), 404, 'not-found')
  })

  test('where an address cannot be read', async () => {
    expectProblem(await ledger.get('/v1/shops/%ZZ/subscribers'), 400, 'bad-request')
    expectProblem(await ledger.get('/%c0%ae'), 400, 'bad-request')
  })

  test('where an address is very long', async () => {
    expectProblem(await ledger.read(`/subscribers/${'x'.repeat(3000)}`), 400, 'bad-request')
  })

  test('where a request is no HTTP', async () => {
    const socket = connect({ port: await ledger.listen(), host: '127.0.0.1' })
    socket.end('GET / HTTP/1.1\r\nHost: a\r\nBroken Header\r\n\r\n')
    let text = ''
    socket.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 400 /)
    expect(text).toContain('application/problem+json')
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({
      type: 'bad-request',
      status: 400,
    })
  })
})
