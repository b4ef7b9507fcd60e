/**
 * The server's rules, as the client meets them. All of this was run against a real server of version 23.10 too, which is
 * what the double has to be like.
 */
import { randomUUID } from 'node:crypto'
import {
  type AllStreamResolvedEvent,
  BACKWARDS,
  binaryEvent,
  END,
  type EventStoreDBClient,
  eventTypeFilter,
  type Filter,
  jsonEvent,
  type Position,
  START,
  streamNameFilter,
} from '@eventstore/db-client'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import { StreamsClient } from '@eventstore/db-client/generated/streams_grpc_pb.js'
import streams, { type ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import { credentials } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { connect, follow, newStream, open, revisions, texted } from './double/opened.ts'

describe('an append', () => {
  test('is written at the revision that it expects, and says where that is', async () => {
    const { client } = await open()
    const stream = newStream()
    const first = await client.appendToStream(stream, texted(0), { expectedRevision: 'no_stream' })
    const second = await client.appendToStream(stream, [texted(1), texted(2)], { expectedRevision: 0n })
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 0n })
    expect(second).toMatchObject({ success: true, nextExpectedRevision: 2n })
    const stored = await Array.fromAsync(client.readStream(stream))
    expect(stored.map(({ event }) => event?.revision)).toEqual([0n, 1n, 2n])
    expect(stored.map(({ event }) => event?.position)).toMatchObject([first.position, {}, second.position])
  })

  test('keeps its event byte for byte, with what it says of itself', async () => {
    const { client } = await open()
    const stream = newStream()
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const binary = binaryEvent({ type: 'Scanned', data: bytes, metadata: bytes })
    const json = jsonEvent({ type: 'Texted', data: { text: 'Größe ✓' }, metadata: { from: 'here' } })
    await client.appendToStream(stream, [binary, json])
    const [first, second] = await Array.fromAsync(client.readStream(stream))
    expect(first?.event).toMatchObject({ id: binary.id, type: 'Scanned', isJson: false, streamId: stream })
    expect(Buffer.from(bytesOf(first?.event?.data))).toEqual(Buffer.from(bytes))
    expect(Buffer.from(bytesOf(first?.event?.metadata))).toEqual(Buffer.from(bytes))
    expect(second?.event).toMatchObject({ id: json.id, type: 'Texted', isJson: true })
    expect(second?.event).toMatchObject({ data: { text: 'Größe ✓' }, metadata: { from: 'here' } })
    expect(Math.abs(Date.now() - Number(second?.event?.created))).toBeLessThan(60_000)
  })

  test.each([
    ['no stream where there is one', 'no_stream' as const],
    ['a revision behind the head', 0n],
    ['a revision ahead of the head', 7n],
  ])('that expects %s is refused, with the revision that is', async (_, expectedRevision) => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, [texted(0), texted(1)])
    await expect(client.appendToStream(stream, texted(2), { expectedRevision })).rejects.toMatchObject({
      type: 'wrong-expected-version',
      streamName: stream,
      expectedVersion: expectedRevision,
      actualVersion: 1n,
    })
  })

  test('that expects a stream where there is none is refused', async () => {
    const { client } = await open()
    await expect(
      client.appendToStream(newStream(), texted(0), { expectedRevision: 'stream_exists' }),
    ).rejects.toMatchObject({ type: 'wrong-expected-version', actualVersion: 'no_stream' })
  })

  test('that is made again where it expected to be is the first one, whatever its body', async () => {
    const { client } = await open()
    const stream = newStream()
    const events = [texted(0), texted(1)]
    const first = await client.appendToStream(stream, events, { expectedRevision: 'no_stream' })
    const differing = events.map((event) => ({ ...event, data: { n: 'other' } }))
    expect(await client.appendToStream(stream, differing, { expectedRevision: 'no_stream' })).toEqual(first)
    expect(await client.appendToStream(stream, events.slice(1), { expectedRevision: 0n })).toEqual(first)
    expect(await Array.fromAsync(client.readStream(stream))).toMatchObject([
      { event: { data: { n: 0 } } },
      { event: { data: { n: 1 } } },
    ])
  })

  test('that is made again with something else besides is refused', async () => {
    const { client } = await open()
    const stream = newStream()
    const first = texted(0)
    await client.appendToStream(stream, [first, texted(1)], { expectedRevision: 'no_stream' })
    await expect(
      client.appendToStream(stream, [first, texted(2)], { expectedRevision: 'no_stream' }),
    ).rejects.toMatchObject({ type: 'wrong-expected-version' })
    await expect(client.appendToStream(stream, [first, texted(2)])).rejects.toMatchObject({
      type: 'wrong-expected-version',
      expectedVersion: 'any',
    })
  })

  test('at the head is written, though its id is there already', async () => {
    const { client } = await open()
    const stream = newStream()
    const event = texted(0)
    await client.appendToStream(stream, event, { expectedRevision: 'no_stream' })
    const again = await client.appendToStream(stream, event, { expectedRevision: 0n })
    expect(again.nextExpectedRevision).toBe(1n)
    expect(await Array.fromAsync(client.readStream(stream))).toMatchObject([
      { event: { id: event.id } },
      { event: { id: event.id } },
    ])
  })

  test('anywhere, of an id that was written to this stream first, is the first one', async () => {
    const { client } = await open()
    const stream = newStream()
    const event = texted(0)
    const first = await client.appendToStream(stream, event)
    await client.appendToStream(stream, texted(1))
    expect(await client.appendToStream(stream, event)).toEqual(first)
  })

  test('anywhere, of an id that was written to another stream first, is written again and again', async () => {
    const { client } = await open()
    const stream = newStream()
    const event = texted(0)
    await client.appendToStream(newStream(), event)
    await client.appendToStream(stream, event)
    expect(await client.appendToStream(stream, event)).toMatchObject({ nextExpectedRevision: 1n })
  })

  test.each([
    ['in a batch', {}],
    ['by itself', { credentials: { username: 'admin', password: 'changeit' } }],
  ])('over the size limit is refused %s, all its data together', async (_, options) => {
    const { client } = await open()
    const stream = newStream()
    const half = { ...texted(0), data: 'x'.repeat(512 * 1024 - 2) }
    await client.appendToStream(stream, [half, { ...half, id: randomUUID() }], options)
    await expect(
      client.appendToStream(stream, [half, { ...half, id: randomUUID() }, texted(1)], options),
    ).rejects.toMatchObject({ type: 'maximum-append-size-exceeded', maxAppendSize: 1024 * 1024 })
  })

  test('by itself, with credentials, gets the same answers as in a batch', async () => {
    const { client } = await open()
    const stream = newStream()
    const options = { credentials: { username: 'admin', password: 'changeit' } }
    const event = texted(0)
    const first = await client.appendToStream(stream, event, { ...options, expectedRevision: 'no_stream' })
    expect(await client.appendToStream(stream, event, { ...options, expectedRevision: 'no_stream' })).toEqual(
      first,
    )
    await expect(
      client.appendToStream(stream, texted(1), { ...options, expectedRevision: 'no_stream' }),
    ).rejects.toMatchObject({
      type: 'wrong-expected-version',
      expectedVersion: 'no_stream',
      actualVersion: 0n,
    })
  })

  test('with an id that is no UUID is an unknown error', async () => {
    const { client } = await open()
    await expect(client.appendToStream(newStream(), { ...texted(0), id: 'one' })).rejects.toMatchObject({
      type: 'unknown',
    })
  })
})

describe('a read', () => {
  test('of a stream goes from a revision on, forwards or backwards, for so many events', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, [0, 1, 2, 3, 4].map(texted))
    const read = async (options: Parameters<EventStoreDBClient['readStream']>[1]) =>
      (await Array.fromAsync(client.readStream(stream, options))).map(({ event }) => event?.revision)
    expect(await read({ fromRevision: 2n })).toEqual([2n, 3n, 4n])
    expect(await read({ fromRevision: 2n, maxCount: 2 })).toEqual([2n, 3n])
    expect(await read({ fromRevision: 9n })).toEqual([])
    expect(await read({ direction: BACKWARDS, fromRevision: END, maxCount: 2 })).toEqual([4n, 3n])
    expect(await read({ direction: BACKWARDS, fromRevision: 1n })).toEqual([1n, 0n])
    expect(await read({ direction: BACKWARDS, fromRevision: START })).toEqual([0n])
  })

  test('of a stream that is not there says so', async () => {
    const { client } = await open()
    const stream = newStream()
    await expect(Array.fromAsync(client.readStream(stream))).rejects.toMatchObject({
      type: 'stream-not-found',
      streamName: stream,
    })
  })

  test('of $all starts with what the system wrote', async () => {
    const { client } = await open()
    const [first] = await Array.fromAsync(client.readAll({ maxCount: 1 }))
    expect(first?.event).toMatchObject({ type: '$metadata', streamId: '$$$scavenges' })
    expect(first?.event?.position?.commit).toBeGreaterThan(0n)
  })

  test('of $all goes forwards with the event at its position, and backwards without it', async () => {
    const { client } = await open()
    const [, second, third] = await positionsOfFive(client)
    const forwards = await Array.fromAsync(client.readAll({ fromPosition: second, maxCount: 2 }))
    expect(forwards.map(positionOf)).toEqual([second, third])
    const backwards = await Array.fromAsync(
      client.readAll({ direction: BACKWARDS, fromPosition: third, maxCount: 1 }),
    )
    expect(backwards.map(positionOf)).toEqual([second])
    expect(await Array.fromAsync(client.readAll({ fromPosition: END }))).toEqual([])
    expect(
      await Array.fromAsync(client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 })),
    ).toMatchObject([{ event: { data: { n: 4 } } }])
  })

  test('of $all from a position where no event starts is an unknown error', async () => {
    const { client } = await open()
    const [first] = await positionsOfFive(client)
    const fromPosition = { commit: first.commit + 1n, prepare: first.prepare + 1n }
    await expect(Array.fromAsync(client.readAll({ fromPosition }))).rejects.toMatchObject({ type: 'unknown' })
  })

  test.each([
    ['forwards', 0 as const, [0, 1]],
    ['backwards', 1 as const, [4, 3]],
  ])('of $all can be filtered, %s', async (_, direction, expected) => {
    const { client, url } = await open()
    const stream = newStream()
    await client.appendToStream(stream, [0, 1, 2, 3, 4].map(texted))
    await client.appendToStream(newStream(), [5, 6].map(texted))
    // The client of this version cannot ask for it.
    const all = new streams.ReadReq.Options.AllOptions()
    if (direction === 0) all.setStart(new shared.Empty())
    else all.setEnd(new shared.Empty())
    const options = new streams.ReadReq.Options()
      .setAll(all)
      .setReadDirection(direction)
      .setCount('2')
      .setUuidOption(new streams.ReadReq.Options.UUIDOption().setString(new shared.Empty()))
      .setFilter(
        new streams.ReadReq.Options.FilterOptions()
          .setStreamIdentifier(new streams.ReadReq.Options.FilterOptions.Expression().setPrefixList([stream]))
          .setCount(new shared.Empty()),
      )
    const { host } = new URL(url)
    const raw = new StreamsClient(host, credentials.createInsecure())
    onTestFinished(() => raw.close())
    const read: ReadResp[] = await Array.fromAsync(raw.read(new streams.ReadReq().setOptions(options)))
    const data = read.map((response) => Buffer.from(response.getEvent()?.getEvent()?.getData_asU8() ?? []))
    expect(data.map((bytes) => JSON.parse(bytes.toString()).n)).toEqual(expected)
  })
})

describe('a subscription to $all', () => {
  test('delivers what is there, says when that is all, and then what is written', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, [0, 1].map(texted))
    const followed = follow(client, { fromPosition: START, filter: streamNameFilter({ prefixes: [stream] }) })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    await client.appendToStream(stream, texted(2))
    await vi.waitFor(() =>
      expect(followed.said.filter((word) => word !== 'checkpoint')).toEqual([
        'confirmed',
        0,
        1,
        'caught up',
        2,
      ]),
    )
  })

  test('from a position starts after the event that is there', async () => {
    const { client } = await open()
    const [, second, third, fourth, fifth] = await positionsOfFive(client)
    const followed = follow(client, { fromPosition: second })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    expect(followed.events.map(positionOf)).toEqual([third, fourth, fifth])
  })

  test('from the end delivers what is written from then on', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, texted(0))
    const followed = follow(client, { fromPosition: END })
    await vi.waitFor(() => expect(followed.said).toEqual(['confirmed', 'caught up']))
    await client.appendToStream(stream, texted(1))
    await vi.waitFor(() => expect(followed.said).toEqual(['confirmed', 'caught up', 1]))
  })

  test.each<[string, (stream: string) => Filter, number[]]>([
    ['prefixes of streams', (stream) => streamNameFilter({ prefixes: ['none', stream] }), [0, 1]],
    ['a regular expression for streams', (stream) => streamNameFilter({ regex: `^${stream}$` }), [0, 1]],
    ['prefixes of types', () => eventTypeFilter({ prefixes: ['Sca'] }), [1]],
    ['a regular expression for types', () => eventTypeFilter({ regex: '^[^$]' }), [0, 1, 2]],
  ])('filters by %s', async (_, filterFor, expected) => {
    const { client } = await open()
    const stream = newStream()
    const before = await client.appendToStream(newStream(), texted(-1))
    await client.appendToStream(stream, [texted(0), { ...texted(1), type: 'Scanned' }])
    await client.appendToStream(newStream(), texted(2))
    const followed = follow(client, {
      fromPosition: before.position ?? START,
      filter: filterFor(stream),
    })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    expect(followed.said.filter((word) => typeof word === 'number')).toEqual(expected)
  })

  test('with a filter says now and then how far it has looked', async () => {
    const { client } = await open()
    const stream = newStream()
    const positions = await positionsOfFive(client)
    const filter = streamNameFilter({ prefixes: [stream], maxSearchWindow: 2 })
    const followed = follow(client, { fromPosition: positions[0], filter })
    await vi.waitFor(() => expect(followed.said).toContain('caught up'))
    // Behind the live end, a page is told by where it starts; its prepare position is none.
    expect(followed.checkpoints).toEqual([
      { commit: positions[1].commit, prepare: 0n },
      { commit: positions[3].commit, prepare: 0n },
    ])
    const live = await client.appendToStream(newStream(), [texted(5), texted(6)])
    await vi.waitFor(() => expect(followed.checkpoints).toHaveLength(3))
    expect(followed.checkpoints.at(-1)).toEqual(live.position)
  })

  test('goes on from a checkpoint without a gap', async () => {
    const { client } = await open()
    const stream = newStream()
    const [fromPosition] = await positionsOfFive(client)
    await client.appendToStream(stream, texted(5))
    const filter = streamNameFilter({ prefixes: [stream], maxSearchWindow: 1 })
    const before = follow(client, { fromPosition, filter })
    await vi.waitFor(() => expect(before.said).toContain('caught up'))
    expect(before.said).toEqual([
      'confirmed',
      ...Array.from({ length: 4 }, () => 'checkpoint'),
      5,
      'checkpoint',
      'caught up',
    ])
    for (const fromPosition of before.checkpoints.slice(0, -1)) {
      const after = follow(client, { fromPosition, filter: streamNameFilter({ prefixes: [stream] }) })
      await vi.waitFor(() => expect(after.said).toContain('caught up'))
      expect(after.events).toHaveLength(1)
    }
  })

  test('from a position where no event starts is an unknown error', async () => {
    const { client } = await open()
    const [first] = await positionsOfFive(client)
    const followed = follow(client, {
      fromPosition: { commit: first.commit + 1n, prepare: first.prepare + 1n },
    })
    await vi.waitFor(() => expect(followed.errors).toMatchObject([{ type: 'unknown' }]))
  })

  test('from a position beyond the end is not told of that, and delivers what is written', async () => {
    const { client } = await open()
    const { position } = await client.appendToStream(newStream(), texted(0))
    const beyond = (position?.commit ?? 0n) + 1_000_000n
    const followed = follow(client, { fromPosition: { commit: beyond, prepare: beyond } })
    await vi.waitFor(() => expect(followed.said).toEqual(['confirmed', 'caught up']))
    await client.appendToStream(newStream(), texted(1))
    await vi.waitFor(() => expect(followed.said).toEqual(['confirmed', 'caught up', 1]))
  })

  test('of several clients delivers to each what any of them wrote', async () => {
    const { client, url } = await open()
    const stream = newStream()
    const other = connect(url)
    const filter = streamNameFilter({ prefixes: [stream] })
    const followed = [client, other].map((each) => follow(each, { fromPosition: START, filter }))
    await client.appendToStream(stream, texted(0))
    await other.appendToStream(stream, texted(1))
    await vi.waitFor(() =>
      expect(followed.map(({ events }) => events.map(({ event }) => event?.data))).toEqual([
        [{ n: 0 }, { n: 1 }],
        [{ n: 0 }, { n: 1 }],
      ]),
    )
  })
})

describe('what is deleted', () => {
  test('by truncation is not read from the stream, and still in $all', async () => {
    const { client } = await open()
    const stream = newStream()
    const first = await client.appendToStream(stream, texted(0))
    await client.appendToStream(stream, [1, 2, 3].map(texted))
    await client.setStreamMetadata(stream, { truncateBefore: 2 })
    expect(await revisions(client, stream)).toEqual([2n, 3n])
    await client.setStreamMetadata(stream, { maxCount: 1 })
    expect(await revisions(client, stream)).toEqual([3n])
    await client.setStreamMetadata(stream, { truncateBefore: 9 })
    expect(await revisions(client, stream)).toEqual([])
    const all = await Array.fromAsync(client.readAll({ fromPosition: first.position ?? START }))
    expect(all.filter(({ event }) => event?.streamId === stream)).toHaveLength(4)
  })

  test('by truncation counts when a revision is expected, and when an append is made again', async () => {
    const { client } = await open()
    const stream = newStream()
    const event = texted(0)
    await client.appendToStream(stream, [event, texted(1)])
    await client.setStreamMetadata(stream, { truncateBefore: 9 })
    await expect(
      client.appendToStream(stream, texted(2), { expectedRevision: 'no_stream' }),
    ).rejects.toMatchObject({ type: 'wrong-expected-version', actualVersion: 1n })
    const again = await client.appendToStream(stream, event, { expectedRevision: 'no_stream' })
    expect(again).toEqual({ success: true, nextExpectedRevision: 0n, position: undefined })
  })

  test('of a metastream leaves its newest event alone to be read', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.setStreamMetadata(stream, { maxCount: 5 })
    await client.setStreamMetadata(stream, { maxCount: 6 })
    expect(await revisions(client, `$$${stream}`)).toEqual([1n])
    await expect(Array.fromAsync(client.readStream(stream))).rejects.toMatchObject({
      type: 'stream-not-found',
    })
  })

  test('softly is not found, and the stream goes on where it was when it is written to again', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, [0, 1].map(texted))
    await client.deleteStream(stream, { expectedRevision: 1n })
    await expect(Array.fromAsync(client.readStream(stream))).rejects.toMatchObject({
      type: 'stream-not-found',
    })
    const next = await client.appendToStream(stream, texted(2), { expectedRevision: 'no_stream' })
    expect(next.nextExpectedRevision).toBe(2n)
    // The server answers the append before it says in the metadata that the stream is there again.
    await vi.waitFor(async () => expect(await revisions(client, stream)).toEqual([2n]))
    const { metadata } = await client.getStreamMetadata(stream)
    expect(metadata).toEqual({ truncateBefore: 2 })
  })

  test('softly still makes an append made again the first one, though nothing can be read', async () => {
    const { client } = await open()
    const stream = newStream()
    const event = texted(0)
    await client.appendToStream(stream, event, { expectedRevision: 'no_stream' })
    await client.deleteStream(stream)
    const again = await client.appendToStream(stream, event, { expectedRevision: 'no_stream' })
    expect(again).toEqual({ success: true, nextExpectedRevision: 0n, position: undefined })
    await expect(Array.fromAsync(client.readStream(stream))).rejects.toMatchObject({
      type: 'stream-not-found',
    })
  })

  test('softly is said to be deleted to who expects a stream', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, texted(0))
    await client.deleteStream(stream)
    await expect(
      client.appendToStream(stream, texted(1), { expectedRevision: 'stream_exists' }),
    ).rejects.toMatchObject({ type: 'stream-deleted' })
  })

  test('softly is a stream without events once its metadata is written', async () => {
    const { client } = await open()
    const stream = newStream()
    await client.appendToStream(stream, texted(0))
    await client.deleteStream(stream)
    await client.setStreamMetadata(stream, { maxCount: 7 })
    // For a moment the server shows what was deleted: it answers before it has truncated the stream again.
    await vi.waitFor(async () => expect(await revisions(client, stream)).toEqual([]))
    const { metadata } = await client.getStreamMetadata(stream)
    expect(metadata).toEqual({ maxCount: 7, truncateBefore: 1 })
  })

  test('softly must be as expected, and be there', async () => {
    const { client } = await open()
    const stream = newStream()
    await expect(client.deleteStream(stream)).rejects.toMatchObject({ type: 'wrong-expected-version' })
    await client.appendToStream(stream, texted(0))
    await expect(client.deleteStream(stream, { expectedRevision: 5n })).rejects.toMatchObject({
      type: 'wrong-expected-version',
      expectedVersion: 5n,
      actualVersion: 0n,
    })
  })

  test.each([
    ['in a batch', {}],
    ['by itself', { credentials: { username: 'admin', password: 'changeit' } }],
  ])('for good can be neither read nor written, %s', async (_, options) => {
    const { client } = await open()
    const stream = newStream()
    const { position } = await client.appendToStream(stream, texted(0))
    await client.tombstoneStream(stream)
    const deleted = { type: 'stream-deleted', streamName: stream }
    await expect(Array.fromAsync(client.readStream(stream))).rejects.toMatchObject(deleted)
    await expect(client.appendToStream(stream, texted(1), options)).rejects.toMatchObject(deleted)
    await expect(client.deleteStream(stream)).rejects.toMatchObject(deleted)
    const all = await Array.fromAsync(client.readAll({ fromPosition: position ?? START }))
    expect(all.filter(({ event }) => event?.streamId === stream)).toMatchObject([
      { event: { data: { n: 0 } } },
      { event: { type: '$streamDeleted', revision: 2n ** 63n - 1n } },
    ])
  })
})

type Five = readonly [Position, Position, Position, Position, Position]

async function positionsOfFive(client: EventStoreDBClient): Promise<Five> {
  const write = async (n: number): Promise<Position> => {
    const { position } = await client.appendToStream(newStream(), texted(n))
    if (position === undefined) throw new Error('an append that was written is somewhere')
    return position
  }
  return [await write(0), await write(1), await write(2), await write(3), await write(4)]
}

const positionOf = ({ event }: AllStreamResolvedEvent): Position | undefined => event?.position

const bytesOf = (value: unknown): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array())
