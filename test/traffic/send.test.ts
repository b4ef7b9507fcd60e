import { expect, test } from 'vitest'
import { z } from 'zod'
import { unreachable } from '../../src/traffic/post.ts'
import { send } from '../../src/traffic/send.ts'
import type { PlannedDelivery } from '../../src/traffic/story.ts'
import { say, standIn } from './ledger-stand-in.ts'

function deliveries(count: number): PlannedDelivery[] {
  return Array.from({ length: count }, (_, place) => ({
    dueMs: place,
    shopId: 'shop_1234567abcd',
    signingToken: `token-${place % 2}`,
    body: JSON.stringify({ place, text: 'C’est ça 🙌' }),
    expect: place % 5 === 4 ? 'duplicate' : 'recorded',
  }))
}

/** Time that passes only by sleeping. */
function ownTime() {
  const slept: number[] = []
  let moment = 0
  return {
    slept,
    now: () => moment,
    sleep: async (ms: number) => {
      slept.push(ms)
      moment += ms
    },
  }
}

test('every delivery arrives once, signed, as the exact text of the plan', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  const plan = deliveries(200)
  await send(plan, { url: `${ledger.url}/`, connections: 8 }).finished
  const arrived = ledger.posts.map(({ body, signature }) => `${signature} ${body}`)
  expect(arrived.sort()).toEqual(plan.map(({ body, signingToken }) => `${signingToken} ${body}`).sort())
  expect(new Set(ledger.posts.map(({ path, type }) => `${path} ${type}`))).toEqual(
    new Set(['POST /webhooks/postscript application/json']),
  )
})

test('over one connection they arrive in the order of the plan', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  const plan = deliveries(30)
  await send(plan, { url: ledger.url, connections: 1 }).finished
  expect(ledger.posts.map(({ body }) => body)).toEqual(plan.map(({ body }) => body))
})

test('answers are counted by status and by what the ledger says it did', async () => {
  const results = ['recorded', 'duplicate', 'spooled', 'recorded']
  const ledger = await standIn(({ body }, response) => {
    const { place } = z.object({ place: z.number() }).parse(JSON.parse(body))
    const result = results[place]
    if (result !== undefined) say(response, result)
    else response.writeHead(place === 4 ? 401 : 200).end('something else')
  })
  const summary = await send(deliveries(6), { url: ledger.url, connections: 2 }).finished
  expect(summary).toMatchObject({
    sent: 6,
    recorded: 2,
    duplicate: 1,
    spooled: 1,
    failed: 2,
    cutOff: 0,
    retries: 0,
    expected: { recorded: 4, duplicate: 0 },
    answers: { '200': 5, '401': 1 },
  })
  expect(summary.latencyMs.max).toBeGreaterThan(0)
})

test('no more deliveries are under way at once than there are connections', async () => {
  let underWay = 0
  let most = 0
  const ledger = await standIn((_, response) => {
    most = Math.max(most, ++underWay)
    setImmediate(() => {
      underWay--
      say(response, 'recorded')
    })
  })
  await send(deliveries(100), { url: ledger.url, connections: 3 }).finished
  expect(most).toBeLessThanOrEqual(3)
})

test('a 503 is tried again after Retry-After, or after a second, and the delivery counts once', async () => {
  const time = ownTime()
  const ledger = await standIn(({ attempt }, response) => {
    if (attempt === 1) response.writeHead(503, { 'retry-after': '7' }).end()
    else if (attempt === 2) response.writeHead(503).end()
    else say(response, 'recorded')
  })
  const summary = await send(deliveries(1), { url: ledger.url, connections: 1, ...time }).finished
  expect(time.slept).toEqual([7000, 1000])
  expect(summary).toMatchObject({ sent: 1, recorded: 1, failed: 0, retries: 2 })
  expect(summary.answers).toEqual({ '200': 1, '503': 2 })
})

test('a connection that breaks before the answer is tried again', async () => {
  const ledger = await standIn(({ attempt }, response) => {
    if (attempt === 1) response.destroy()
    else if (attempt === 2) response.writeHead(200, { 'content-length': '100' }).write('{"result"')
    else say(response, 'duplicate')
    if (attempt === 2) setImmediate(() => response.destroy())
  })
  const summary = await send(deliveries(1), { url: ledger.url, connections: 1, ...ownTime() }).finished
  expect(summary).toMatchObject({ sent: 1, duplicate: 1, retries: 2, answers: { '200': 1, ECONNRESET: 2 } })
})

test('no answer in time is no answer', async () => {
  const ledger = await standIn(({ attempt }, response) => {
    if (attempt > 1) say(response, 'recorded')
  })
  const options = { url: ledger.url, connections: 1, answerWithinMs: 20, ...ownTime() }
  const summary = await send(deliveries(1), options).finished
  expect(summary.recorded).toBe(1)
  expect(summary.answers['ETIMEDOUT']).toBeGreaterThan(0)
})

test('after so many tries a delivery is given up, and the next one is sent', async () => {
  const ledger = await standIn((_, response) => response.writeHead(503).end())
  const options = { url: ledger.url, connections: 1, attempts: 3, ...ownTime() }
  const summary = await send(deliveries(2), options).finished
  expect(summary).toMatchObject({ sent: 2, recorded: 0, failed: 2, retries: 4, answers: { '503': 6 } })
  expect(summary.expected).toEqual({ recorded: 0, duplicate: 0 })
})

test('what is refused is not tried again', async () => {
  const ledger = await standIn((_, response) => response.writeHead(401).end())
  const summary = await send(deliveries(3), { url: ledger.url }).finished
  expect(summary).toMatchObject({ sent: 3, failed: 3, retries: 0 })
})

test('a rate spreads the deliveries evenly over time', async () => {
  const time = ownTime()
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  await send(deliveries(5), { url: ledger.url, connections: 1, rate: 10, ...time }).finished
  expect(time.slept).toEqual([100, 100, 100, 100])
})

test('a signal stops it: nothing more is begun, and what was answered is in the summary', async () => {
  const stop = new AbortController()
  const ledger = await standIn(({ body }, response) => {
    say(response, 'recorded')
    if (body === deliveries(10)[4]?.body) stop.abort()
  })
  const options = { url: ledger.url, connections: 1, signal: stop.signal, graceMs: 60_000 }
  const summary = await send(deliveries(10), options).finished
  expect(ledger.posts).toHaveLength(5)
  expect(summary).toMatchObject({ sent: 5, recorded: 5, cutOff: 0 })
})

test('a signal ends the wait for another try, and cuts off what is not answered within the grace', async () => {
  const stop = new AbortController()
  const ledger = await standIn(({ body }, response) => {
    if (body === deliveries(2)[0]?.body) response.writeHead(503, { 'retry-after': '3600' }).end()
    if (ledger.posts.length === 2) stop.abort()
  })
  const options = { url: ledger.url, connections: 2, signal: stop.signal, graceMs: 0 }
  const summary = await send(deliveries(2), options).finished
  expect(summary).toMatchObject({ sent: 2, recorded: 0, failed: 0, cutOff: 2 })
})

test('a signal given before it begins: nothing is sent', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  const summary = await send(deliveries(3), { url: ledger.url, signal: AbortSignal.abort() }).finished
  expect(summary.sent).toBe(0)
  expect(ledger.posts).toEqual([])
})

test('a plan that throws ends the sending with its error', async () => {
  const ledger = await standIn((_, response) => say(response, 'recorded'))
  function* broken(): Generator<PlannedDelivery> {
    yield* deliveries(3)
    throw new Error('no more ideas')
  }
  await expect(send(broken(), { url: ledger.url }).finished).rejects.toThrow('no more ideas')
})

test('one can see how far it has come', async () => {
  const counts: number[] = []
  const ledger = await standIn((_, response) => {
    counts.push(sending.summary().recorded)
    say(response, 'recorded')
  })
  const sending = send(deliveries(3), { url: ledger.url, connections: 1 })
  await sending.finished
  expect(counts).toEqual([0, 1, 2])
})

test('one can ask whether a ledger is there', async () => {
  const ledger = await standIn((_, response) => response.end())
  expect(await unreachable(ledger.url)).toBeNull()
  expect(ledger.posts[0]?.path).toBe('GET /healthz')
  expect(await unreachable('http://127.0.0.1:1')).toBe('ECONNREFUSED')
})
