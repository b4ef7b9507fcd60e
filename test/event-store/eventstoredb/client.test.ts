import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import * as z from 'zod'
import type { Proposal } from '../../../src/event-store/eventstoredb/append-messages.ts'
import { LogClient } from '../../../src/event-store/eventstoredb/client.ts'
import { isSilence } from '../../../src/event-store/eventstoredb/errors.ts'
import { selfSigned } from './double/certificate.ts'
import type { EventStoreDouble } from './double/event-store-double.ts'
import { startDouble } from './stores.ts'

const PATIENT_MS = 20_000

async function open(): Promise<{ double: EventStoreDouble; client: LogClient }> {
  const double = await startDouble()
  return { double, client: connect(double) }
}

function connect({ url }: EventStoreDouble): LogClient {
  const client = LogClient.connect(url)
  onTestFinished(() => client.dispose())
  return client
}

function proposal(stream: string, revision = 0): Proposal {
  return {
    stream,
    revision,
    id: randomUUID(),
    type: 'Texted',
    json: `{"n":${revision}}`,
    metadataJson: '{"m":1}',
  }
}

test('an append is told where it stands, and what is stored is what was given', async () => {
  const { client, double } = await open()
  const first = await client.appendAt(proposal('a'), PATIENT_MS)
  const second = await client.appendAt(proposal('a', 1), PATIENT_MS)
  expect([first.revision, second.revision]).toEqual([0, 1])
  expect(second.place?.commit).toBeGreaterThan(first.place?.commit ?? 0n)
  expect(double.events('a')).toHaveLength(2)
  const read = await Array.fromAsync(client.readStream('a'))
  expect(read.map(({ event }) => [event?.data, event?.metadata])).toEqual([
    [{ n: 0 }, { m: 1 }],
    [{ n: 1 }, { m: 1 }],
  ])
})

test('another revision than the next is refused, and the appends beside it are not', async () => {
  const { client } = await open()
  await client.appendAt(proposal('a'), PATIENT_MS)
  const settled = await Promise.allSettled(
    [proposal('b'), proposal('a'), proposal('c'), proposal('a', 7)].map((one) =>
      client.appendAt(one, PATIENT_MS),
    ),
  )
  expect(settled).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: { type: 'wrong-expected-version' } },
    { status: 'fulfilled' },
    { status: 'rejected', reason: { type: 'wrong-expected-version' } },
  ])
})

test('one that is not answered in time fails by itself, and the answer that comes late harms nobody', async () => {
  const { client, double } = await open()
  await client.appendAt(proposal('a'), PATIENT_MS)
  double.misbehave({ name: 'never-answer' }, 1)
  const unanswered = client.appendAt(proposal('b'), 50)
  expect(await client.appendAt(proposal('c'), PATIENT_MS)).toMatchObject({ revision: 0 })
  await expect(unanswered).rejects.toSatisfy(isSilence)

  double.misbehave({ name: 'slow', milliseconds: 100 }, 1)
  await expect(client.appendAt(proposal('d'), 20)).rejects.toSatisfy(isSilence)
  double.behave()
  // On the same call: behind the late answer.
  await vi.waitFor(() => expect(double.events('d')).toHaveLength(1))
  expect(await client.appendAt(proposal('d', 1), PATIENT_MS)).toMatchObject({ revision: 1 })
})

test.each([
  { name: 'drop-before-store' },
  { name: 'end-batch' },
] as const)('$name fails all that wait, and what comes then goes on a new call', async (fault) => {
  const { client, double } = await open()
  await client.appendAt(proposal('a'), PATIENT_MS)
  double.misbehave({ name: 'never-answer' }, 2)
  const waiting = ['b', 'c'].map((stream) => client.appendAt(proposal(stream), PATIENT_MS))
  const failed = Promise.allSettled(waiting)
  await vi.waitFor(() => expect(double.counts().batchAppends).toBe(3))
  double.misbehave(fault, 1)
  await expect(client.appendAt(proposal('d'), PATIENT_MS)).rejects.toMatchObject({ type: 'unavailable' })
  const unavailable = { status: 'rejected', reason: { type: 'unavailable' } }
  expect(await failed).toMatchObject([unavailable, unavailable])
  await vi.waitFor(async () =>
    expect(await client.appendAt(proposal(randomUUID()), PATIENT_MS)).toMatchObject({ revision: 0 }),
  )
})

test("what happens to one client's appends is nothing to another's", async () => {
  const { client, double } = await open()
  const other = connect(await startDouble())
  await Promise.all([client.appendAt(proposal('a'), PATIENT_MS), other.appendAt(proposal('a'), PATIENT_MS)])
  double.misbehave({ name: 'never-answer' }, 1)
  const lost = client.appendAt(proposal('b'), PATIENT_MS)
  const refused = expect(lost).rejects.toMatchObject({ type: 'unavailable' })
  const appends = Array.from({ length: 50 }, (_, number) =>
    other.appendAt(proposal(`s${number}`), PATIENT_MS),
  )
  await double.kill()
  await refused
  expect((await Promise.all(appends)).every(({ revision }) => revision === 0)).toBe(true)
})

test('an append over TLS bears the credentials of the address, and fails with what the server says to wrong ones', async () => {
  const tls = selfSigned()
  const { port } = await startDouble({ tls, users: { ledger: 'right' } })
  const file = join(mkdtempSync(join(tmpdir(), 'ca-')), 'ca.pem')
  onTestFinished(() => rmSync(dirname(file), { recursive: true }))
  writeFileSync(file, tls.cert)
  const connected = (password: string) => {
    const client = LogClient.connect(`esdb://ledger:${password}@localhost:${port}?tlsCAFile=${file}`)
    onTestFinished(() => client.dispose())
    return client
  }
  expect(await connected('right').appendAt(proposal('a'), PATIENT_MS)).toMatchObject({ revision: 0 })
  await expect(connected('wrong').appendAt(proposal('b'), PATIENT_MS)).rejects.toMatchObject({
    type: 'access-denied',
  })
})

test('appends of one turn of the event loop come in their order', async () => {
  const { client, double } = await open()
  const streams = Array.from({ length: 100 }, (_, number) => `s${number}`)
  await Promise.all(streams.map((stream) => client.appendAt(proposal(stream), PATIENT_MS)))
  const positions = streams.map((stream) => double.events(stream)[0]?.position ?? 0n)
  expect(positions).toEqual(positions.toSorted((a, b) => Number(a - b)))
})

test('a node that is not ready is asked no more on that call, and what waits on it has its time', async () => {
  const { client, double } = await open()
  await client.appendAt(proposal('a'), PATIENT_MS)
  double.misbehave({ name: 'slow', milliseconds: 50 }, 1)
  const waiting = client.appendAt(proposal('b'), PATIENT_MS)
  await vi.waitFor(() => expect(double.counts().batchAppends).toBe(2))
  double.misbehave({ name: 'not-ready' }, 1)
  await expect(client.appendAt(proposal('c'), PATIENT_MS)).rejects.toMatchObject({ type: 'unavailable' })
  expect(await client.appendAt(proposal('d'), PATIENT_MS)).toMatchObject({ revision: 0 })
  expect(await waiting).toMatchObject({ revision: 0 })
})

test('a call on which nothing is answered any more is given up, and the next append goes on a new one', async () => {
  const { client, double } = await open()
  await client.appendAt(proposal('a'), PATIENT_MS)
  double.misbehave({ name: 'never-answer' }, 3)
  const silent = ['b', 'c', 'd'].map((stream) => client.appendAt(proposal(stream), 40))
  const waiting = client.appendAt(proposal('e'), PATIENT_MS).catch((error: unknown) => error)
  double.misbehave({ name: 'never-answer' }, 1)
  for (const append of silent) await expect(append).rejects.toSatisfy(isSilence)
  expect(await waiting).toMatchObject({ type: 'unavailable' })
  await vi.waitFor(async () =>
    expect(await client.appendAt(proposal(randomUUID()), PATIENT_MS)).toMatchObject({ revision: 0 }),
  )
})

test('a client that is disposed while it looks for a node opens nothing when it has found one', async () => {
  const { client, double } = await open()
  const appending = client.appendAt(proposal('a'), PATIENT_MS).catch((error: unknown) => error)
  await client.dispose()
  expect(await appending).toMatchObject({ type: 'unavailable' })
  expect(double.counts().batchAppends).toBe(0)
  await expect(client.appendAt(proposal('b'), PATIENT_MS)).rejects.toMatchObject({ type: 'unavailable' })
})

test('an append to a cluster that takes connections and says nothing fails in time', async () => {
  const mute = createServer((socket) => onTestFinished(() => void socket.destroy()))
  await once(mute.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void mute.close())
  const { port } = z.object({ port: z.int() }).parse(mute.address())
  const hosts = `127.0.0.1:${port},127.0.0.1:${port}`
  const client = LogClient.connect(`esdb://${hosts}?tls=false&maxDiscoverAttempts=1&gossipTimeout=1`)
  onTestFinished(() => client.dispose())
  await expect(client.appendAt(proposal('a'), 50)).rejects.toSatisfy(isSilence)
})
