/** What a real server does not offer: to be looked into, and to fail when it is told to. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { END, START, streamNameFilter } from '@eventstore/db-client'
import { describe, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../../../temporary-folder.ts'
import { selfSigned } from './certificate.ts'
import type { Fault } from './event-store-double.ts'
import { connect, follow, open, revisions, texted } from './opened.ts'

describe('the double', () => {
  test('shows what is stored, and stores what others write, without the wire', async () => {
    const { client, double } = await open()
    await client.appendToStream('a', [0, 1].map(texted))
    double.put('b', {
      type: 'Scanned',
      contentType: 'application/octet-stream',
      data: Uint8Array.of(1),
      metadata: Uint8Array.of(2),
    })
    expect(double.events()).toMatchObject([
      { stream: 'a', revision: 0n, type: 'Texted', contentType: 'application/json' },
      { stream: 'a', revision: 1n },
      { stream: 'b', revision: 0n, data: Uint8Array.of(1), metadata: Uint8Array.of(2) },
    ])
    expect(double.events('b')).toHaveLength(1)
    expect(double.events('$all').length).toBeGreaterThan(3)
    expect(await revisions(client, 'b')).toEqual([0n])

    double.truncateBefore('a', 1n)
    expect(await revisions(client, 'a')).toEqual([1n])
    double.softDelete('a')
    await expect(Array.fromAsync(client.readStream('a'))).rejects.toMatchObject({ type: 'stream-not-found' })
    double.tombstone('a')
    await expect(Array.fromAsync(client.readStream('a'))).rejects.toMatchObject({ type: 'stream-deleted' })
  })

  test('counts what comes in', async () => {
    const { client, double } = await open()
    await Promise.all([0, 1, 2].map((n) => client.appendToStream('a', texted(n))))
    await client.appendToStream('a', texted(3), { credentials: { username: 'admin', password: 'changeit' } })
    await revisions(client, 'a')
    const followed = follow(client, { fromPosition: START })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    expect(double.counts()).toEqual({ appends: 1, batchAppends: 3, reads: 1, subscriptions: 1 })
  })

  test('takes large appends in parts', async () => {
    const { client } = await open()
    const events = Array.from({ length: 300 }, (_, n) => texted(n))
    await client.appendToStream('a', events, { batchAppendSize: 500 })
    expect(await revisions(client, 'a')).toHaveLength(300)
  })

  test('answers an append whose deadline has passed with a time-out', async () => {
    const { client, double } = await open()
    await expect(client.appendToStream('a', texted(0), { deadline: -1 })).rejects.toMatchObject({
      type: 'deadline-exceeded',
    })
    expect(double.events()).toEqual([])
  })

  test('says which node leads to a client that was given several hosts', async () => {
    const { double } = await open()
    const host = `127.0.0.1:${double.port}`
    const client = connect(`esdb://${host},${host}?tls=false`)
    expect(await client.appendToStream('a', texted(0))).toMatchObject({ success: true })
  })

  test('cuts all connections when it is killed, and has its data when it is back', async () => {
    const { client, double } = await open()
    const { port } = double
    await client.appendToStream('a', texted(0))
    const followed = follow(client, { fromPosition: START })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    await double.kill()
    await vi.waitFor(() => expect(followed.errors).toMatchObject([{ type: 'unavailable' }]))
    await expect(client.appendToStream('a', texted(1))).rejects.toMatchObject({ code: 14 })
    await double.restart()
    expect(double.port).toBe(port)
    expect(await revisions(connect(double.url), 'a')).toEqual([0n])
  })

  test('no longer knows the ids of what was written anywhere after a restart', async () => {
    const { client, double } = await open()
    const event = texted(0)
    await client.appendToStream('a', event)
    await double.restart()
    const again = connect(double.url)
    expect(await again.appendToStream('a', event)).toMatchObject({ nextExpectedRevision: 1n })
    expect(await again.appendToStream('a', event, { expectedRevision: 'no_stream' })).toMatchObject({
      nextExpectedRevision: 0n,
    })
  })

  test('with users lets in who gives the right password, and nobody else', async () => {
    const certificate = selfSigned()
    const authority = join(temporaryFolder(), 'ca.crt')
    writeFileSync(authority, certificate.cert)
    const { double } = await open({ tls: certificate, users: { admin: 'changeit' } })
    const as = (who: string) =>
      connect(`${double.url.replace('//', `//${who}`)}&tlsCAFile=${encodeURIComponent(authority)}`)
    expect(await as('admin:changeit@').appendToStream('a', texted(0))).toMatchObject({ success: true })
    expect(await revisions(as('admin:changeit@'), 'a')).toEqual([0n])
    for (const [who, code] of [
      ['', 7],
      ['admin:wrong@', 16],
      ['nobody:changeit@', 16],
    ] as const) {
      await expect(as(who).appendToStream('a', texted(1))).rejects.toMatchObject({ type: 'access-denied' })
      const denied = { type: 'access-denied', code }
      await expect(Array.fromAsync(as(who).readStream('a'))).rejects.toMatchObject(denied)
    }
    expect(double.events()).toHaveLength(1)
  })
})

describe('a fault', () => {
  const byItself = { credentials: { username: 'admin', password: 'changeit' } }
  const ways = [
    ['in a batch', {}],
    ['by itself', byItself],
  ] as const

  describe.each(ways)('of an append %s', (way, options) => {
    test.each<{ fault: Fault; stored: number }>([
      { fault: { name: 'store-then-drop' }, stored: 1 },
      { fault: { name: 'drop-before-store' }, stored: 0 },
    ])('$fault.name cuts the connection', async ({ fault, stored }) => {
      const { client, double } = await open()
      double.misbehave(fault, 1)
      await expect(client.appendToStream('a', texted(0), options)).rejects.toMatchObject({
        type: 'unavailable',
      })
      expect(double.events()).toHaveLength(stored)
      const again = connect(double.url)
      expect(await again.appendToStream('a', texted(1), options)).toMatchObject({ success: true })
    })

    test.each<{ fault: Fault; stored: number }>([
      { fault: { name: 'store-never-answer' }, stored: 1 },
      { fault: { name: 'never-answer' }, stored: 0 },
    ])('$fault.name leaves it open', async ({ fault, stored }) => {
      const { client, double } = await open()
      double.misbehave(fault, 1)
      const unanswered = expect(client.appendToStream('a', texted(0), options)).rejects.toMatchObject({
        type: 'unavailable',
      })
      const { appends, batchAppends } = await vi.waitFor(() => {
        const counts = double.counts()
        expect(counts.appends + counts.batchAppends).toBe(1)
        return counts
      })
      expect([appends, batchAppends]).toEqual(way === 'by itself' ? [1, 0] : [0, 1])
      expect(double.events()).toHaveLength(stored)
      // The connection lives, and the next is answered.
      expect(await client.appendToStream('b', texted(1), options)).toMatchObject({ success: true })
      await double.kill()
      await unanswered
    })

    test.each([
      [false, 0],
      [true, 1],
    ])('timeout-error says that it took too long, stored: %s', async (stored, events) => {
      const { client, double } = await open()
      double.misbehave({ name: 'timeout-error', stored })
      await expect(client.appendToStream('a', texted(0), options)).rejects.toMatchObject({
        type: way === 'by itself' ? 'timeout' : 'deadline-exceeded',
      })
      expect(double.events()).toHaveLength(events)
      double.behave()
      expect(await client.appendToStream('a', texted(1), options)).toMatchObject({ success: true })
    })

    test('not-leader sends the client to the leader', async () => {
      const { client, double } = await open()
      const { double: leader } = await open()
      double.misbehave({ name: 'not-leader', leader: { host: '127.0.0.1', port: leader.port } })
      await expect(client.appendToStream('a', texted(0), options)).rejects.toMatchObject({
        type: 'not-leader',
        leader: { address: '127.0.0.1', port: leader.port },
      })
      await vi.waitFor(async () =>
        expect(await client.appendToStream('a', texted(1), options)).toMatchObject({ success: true }),
      )
      expect(double.events()).toEqual([])
      expect(leader.events()).toHaveLength(1)
    })

    test.each<{ fault: Fault; types: readonly [byItself: string, inABatch: string] }>([
      { fault: { name: 'not-leader' }, types: ['unknown', 'unknown'] },
      { fault: { name: 'not-ready' }, types: ['unavailable', 'unknown'] },
      { fault: { name: 'unavailable' }, types: ['unavailable', 'unavailable'] },
      { fault: { name: 'access-denied' }, types: ['access-denied', 'access-denied'] },
      { fault: { name: 'unauthenticated' }, types: ['access-denied', 'access-denied'] },
    ])('$fault.name refuses it', async ({ fault, types: [byItself, inABatch] }) => {
      const { client, double } = await open()
      await client.appendToStream('b', texted(9))
      double.misbehave(fault, 1)
      await expect(client.appendToStream('a', texted(0), options)).rejects.toMatchObject({
        type: way === 'by itself' ? byItself : inABatch,
      })
      expect(double.events('a')).toEqual([])
    })

    test('slow answers it later', async () => {
      const { client, double } = await open()
      await client.appendToStream('b', texted(9))
      double.misbehave({ name: 'slow', milliseconds: 50 })
      const started = performance.now()
      await client.appendToStream('a', texted(0), options)
      expect(performance.now() - started).toBeGreaterThan(45)
    })
  })

  test('acts so many times as it was given, and before the ones given later', async () => {
    const { client, double } = await open()
    double.misbehave({ name: 'timeout-error' }, 2)
    double.misbehave({ name: 'access-denied' }, 1)
    const types = []
    for (const n of [0, 1, 2, 3]) {
      const outcome = await client.appendToStream('a', texted(n)).then(
        () => 'appended',
        ({ type }: { type: string }) => type,
      )
      types.push(outcome)
    }
    expect(types).toEqual(['deadline-exceeded', 'deadline-exceeded', 'access-denied', 'appended'])
  })

  test('of one connection leaves the others alone', async () => {
    const { client, double } = await open()
    const other = connect(double.url)
    const followed = follow(other, { fromPosition: START })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    double.misbehave({ name: 'store-then-drop' }, 1)
    await expect(client.appendToStream('a', texted(0))).rejects.toMatchObject({ type: 'unavailable' })
    await vi.waitFor(() => expect(followed.said).toContain(0))
    expect(followed.errors).toEqual([])
  })

  test('silent-reads answers no read', async () => {
    const { client, double } = await open()
    await client.appendToStream('a', texted(0))
    double.misbehave({ name: 'silent-reads' }, 1)
    const unanswered = expect(Array.fromAsync(client.readStream('a'))).rejects.toMatchObject({
      type: 'unavailable',
    })
    await vi.waitFor(() => expect(double.counts().reads).toBe(1))
    expect(await revisions(client, 'a')).toEqual([0n])
    await double.kill()
    await unanswered
  })

  test('silent-subscription delivers nothing more, until it is over', async () => {
    const { client, double } = await open()
    const running = follow(client, { fromPosition: END })
    await vi.waitFor(() => expect(running.said).toEqual(['confirmed', 'caught up']))
    double.misbehave({ name: 'silent-subscription' })
    const other = follow(client, { fromPosition: END })
    await client.appendToStream('a', texted(0))
    // What is written is on its way before what is read after it.
    expect(await revisions(client, 'a')).toEqual([0n])
    expect(running.said).toEqual(['confirmed', 'caught up'])
    expect(other.said).toEqual([])
    double.behave()
    await vi.waitFor(() => expect(running.said).toEqual(['confirmed', 'caught up', 0]))
    await vi.waitFor(() => expect(other.said).toContain('caught up'))
  })

  test('end-subscription ends it without an error', async () => {
    const { client, double } = await open()
    const followed = follow(client, { fromPosition: START })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    double.misbehave({ name: 'end-subscription' })
    await vi.waitFor(() => expect(followed.said.at(-1)).toBe('ended'))
    expect(followed.errors).toEqual([])
  })

  test.each<{ fault: Fault; type: string }>([
    { fault: { name: 'consumer-too-slow' }, type: 'timeout' },
    { fault: { name: 'shutdown-subscription' }, type: 'unknown' },
  ])('$fault.name ends it as the server does', async ({ fault, type }) => {
    const { client, double } = await open()
    const followed = follow(client, { fromPosition: START })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    double.misbehave(fault)
    await vi.waitFor(() => expect(followed.errors).toMatchObject([{ type }]))
  })

  test.each<{ fault: Fault; type: string }>([
    { fault: { name: 'unavailable' }, type: 'unavailable' },
    { fault: { name: 'not-ready' }, type: 'unavailable' },
    { fault: { name: 'access-denied' }, type: 'access-denied' },
    { fault: { name: 'unauthenticated' }, type: 'access-denied' },
  ])('$fault.name refuses reads and subscriptions', async ({ fault, type }) => {
    const { client, double } = await open()
    double.misbehave(fault, 2)
    await expect(Array.fromAsync(client.readStream('a'))).rejects.toMatchObject({ type })
    const followed = follow(connect(double.url), { fromPosition: START })
    await vi.waitFor(() => expect(followed.errors).toMatchObject([{ type }]))
  })

  test('slow delivers each event later', async () => {
    const { client, double } = await open()
    await client.appendToStream('a', [0, 1].map(texted))
    double.misbehave({ name: 'slow', milliseconds: 30 })
    const started = performance.now()
    const followed = follow(client, {
      fromPosition: START,
      filter: streamNameFilter({ prefixes: ['a'] }),
    })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    expect(performance.now() - started).toBeGreaterThan(55)
  })

  test('silent-features leaves the first append of a client without an answer', async () => {
    const { client, double } = await open()
    double.misbehave({ name: 'silent-features' }, 1)
    const unanswered = expect(client.appendToStream('a', texted(0))).rejects.toMatchObject({ code: 14 })
    expect(await connect(double.url).appendToStream('b', texted(1))).toMatchObject({ success: true })
    expect(double.counts().batchAppends).toBe(1)
    await double.kill()
    await unanswered
  })
})
