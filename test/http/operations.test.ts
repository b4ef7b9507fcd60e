import { afterAll, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { optIn } from '../ledger/deliveries.ts'
import { OPERATOR, runApp } from './running-app.ts'

const ledger = await runApp({}, afterAll)

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] as const
const Operation = z.looseObject({
  summary: z.string(),
  responses: z.record(z.string().regex(/^([1-5]\d\d|default)$/), z.looseObject({ description: z.string() })),
  parameters: z
    .array(
      z.looseObject({
        name: z.string(),
        in: z.enum(['query', 'path', 'header', 'cookie']),
        required: z.boolean().optional(),
        schema: z.looseObject({}),
      }),
    )
    .optional(),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
})
const Document = z.looseObject({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  paths: z.record(z.string().startsWith('/'), z.partialRecord(z.enum(METHODS), Operation)),
  components: z.looseObject({
    schemas: z.record(z.string(), z.looseObject({})),
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.string() })),
  }),
})

async function openApi() {
  return Document.parse((await ledger.get('/openapi.json', null)).json())
}

describe('openapi.json', () => {
  test('is of OpenAPI 3.1 and lists every route', async () => {
    const { paths } = await openApi()
    const listed = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(listed.toSorted()).toEqual([
      'DELETE /v1/projections/{name}/rebuild',
      'GET /healthz',
      'GET /metrics',
      'GET /readyz',
      'GET /v1/projections',
      'GET /v1/projections/{name}',
      'GET /v1/projections/{name}/diff',
      'GET /v1/projections/{name}/parked',
      'GET /v1/projections/{name}/progress',
      'GET /v1/shops/{s}/activity',
      'GET /v1/shops/{s}/consent',
      'GET /v1/shops/{s}/subscribers',
      'GET /v1/shops/{s}/subscribers/{id}',
      'GET /v1/shops/{s}/subscribers/{id}/consent',
      'GET /v1/shops/{s}/subscribers/{id}/consent/history',
      'GET /v1/shops/{s}/subscribers/{id}/events',
      'GET /v1/shops/{s}/subscribers/{id}/timeline',
      'GET /v1/shops/{s}/unplaced',
      'POST /v1/projections/{name}/parked/retry',
      'POST /v1/projections/{name}/rebuild',
      'POST /v1/projections/{name}/switch',
      'POST /webhooks/postscript',
    ])
  })

  test('has nothing that points nowhere', async () => {
    const { paths, components } = await openApi()
    const pointers = JSON.stringify({ paths, components }).matchAll(/"\$ref":"([^"]*)"/g)
    for (const [, pointer = ''] of pointers) {
      const [, name = ''] = /^#\/components\/schemas\/(.+)$/.exec(pointer) ?? []
      expect(Object.keys(components.schemas), pointer).toContain(name)
    }
  })

  test('says which parameters a path has, and that a key is needed', async () => {
    const { paths, components } = await openApi()
    for (const [path, operations] of Object.entries(paths))
      for (const operation of Object.values(operations)) {
        const inPath = operation.parameters?.filter((parameter) => parameter.in === 'path') ?? []
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        expect(inPath.map(({ name }) => name).toSorted(), path).toEqual(named.toSorted())
        expect(inPath.every(({ required }) => required === true)).toBe(true)
        const needsKey = path.startsWith('/v1/') || path === '/metrics'
        const schemes = operation.security?.flatMap((one) => Object.keys(one)) ?? []
        expect(schemes, path).toEqual(needsKey ? ['key'] : [])
      }
    expect(components.securitySchemes).toMatchObject({ key: { type: 'http', scheme: 'bearer' } })
  })

  test('tells of each read what it takes and that it can fail', async () => {
    const { paths } = await openApi()
    const list = paths['/v1/shops/{s}/subscribers']?.get
    expect(list?.parameters?.map(({ name }) => name).toSorted()).toEqual([
      'after',
      'cursor',
      'email',
      'limit',
      'phone',
      's',
      'status',
    ])
    expect(Object.keys(list?.responses ?? {})).toEqual(['200', '400', '401', '403', '404', '503', '504'])
  })
})

test('/docs shows the calls in a browser', async () => {
  const answer = await ledger.get('/docs', null)
  expect(answer.statusCode).toBe(200)
  expect(answer.headers['content-type']).toContain('text/html')
})

describe('health', () => {
  test('healthz says that the process is alive, to anybody', async () => {
    const answer = await ledger.get('/healthz', null)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({ status: 'alive' })
  })

  test('readyz says that deliveries can be kept, to anybody', async () => {
    const answer = await ledger.get('/readyz', null)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({ status: 'ready', problems: [] })
  })

  test('readyz is 503 and names it when the log cannot be written, and reads say so too', async () => {
    const broken = await runApp()
    await broken.store.close()
    const answer = await broken.get('/readyz', null)
    expect(answer.statusCode).toBe(503)
    expect(answer.json()).toEqual({ status: 'unavailable', problems: ['the log is closed'] })
    expect((await broken.get('/healthz', null)).statusCode).toBe(200)
    const refused = await broken.post(optIn('2026-03-01T10:00:00'))
    expect(refused.statusCode).toBe(503)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.json()).toMatchObject({ type: 'store-unavailable', status: 503 })
  })
})

describe('metrics', () => {
  async function metric(line: string): Promise<number> {
    const text = (await ledger.get('/metrics', OPERATOR)).body
    const found = text.split('\n').find((one) => one.startsWith(`${line} `))
    return Number(found?.slice(line.length + 1))
  }

  test('count deliveries by what became of them', async () => {
    const count = (result: string) => metric(`ledger_deliveries_total{result="${result}"}`)
    const results = ['recorded', 'duplicate', 'refused', 'unavailable']
    const before = await Promise.all(results.map(count))
    await ledger.record(optIn('2026-03-01T10:00:00'))
    await ledger.record(optIn('2026-03-01T10:00:00'))
    await ledger.post(optIn('2026-03-01T10:00:00'), {})
    const after = await Promise.all(results.map(count))
    expect(after.map((value, index) => value - (before[index] ?? 0))).toEqual([1, 1, 1, 0])
  })

  test('tell how far each projection is behind, and how many streams wait', async () => {
    await ledger.record(optIn('2026-03-02T10:00:00'))
    for (const name of ['subscriber-status', 'message-timeline', 'unplaced', 'shop-activity'])
      for (const what of ['lag_events', 'lag_seconds', 'parked'])
        await vi.waitFor(async () =>
          expect(await metric(`ledger_projection_${what}{projection="${name}"}`)).toBe(0),
        )
  })

  test('name routes and never an address', async () => {
    await ledger.read('/subscribers?phone=%2B15559876543')
    const text = (await ledger.get('/metrics', OPERATOR)).body
    expect(text).toContain('route="/v1/shops/:s/subscribers"')
    expect(text).not.toContain('9876543')
    expect(text).toMatch(/^# TYPE ledger_http_seconds histogram$/m)
  })
})
