import shared from '@eventstore/db-client/generated/shared_pb.js'
import streams from '@eventstore/db-client/generated/streams_pb.js'
import { expect, onTestFinished, test } from 'vitest'
import { eventOf, type LogEntry } from '../../../src/event-store/event-store.ts'
import { logEntryOf, Names } from '../../../src/event-store/eventstoredb/entries.ts'
import { EventStoreDbLog } from '../../../src/event-store/eventstoredb/eventstoredb-log.ts'
import { positionOf } from '../../../src/event-store/eventstoredb/position.ts'
import { placeBody } from '../../ledger/deliveries.ts'
import { framed, serve } from './raw-server.ts'
import { openStore, startDouble } from './stores.ts'

/** Different for each `number`, each of a subscriber of its own. */
const placed = (number: number) =>
  placeBody({
    resource_id: 'shop_1',
    event: 'shop.incoming_message',
    event_data: { id: `im_${number}`, subscriber_id: `s_${number}` },
  })

async function open() {
  const double = await startDouble()
  const store = openStore(double.url)
  const append = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => {
        const { stream, event } = placed(from + index)
        return store.append(stream, event)
      }),
    )
  return { double, store, append }
}

/** A server that has one event, and never comes to the end of what it looks through. */
async function lookingForEver() {
  const place = { commit: 100, prepare: 100 }
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from('postscript.a')))
    .setCommitPosition(String(place.commit))
    .setPreparePosition(String(place.prepare))
  const response = new streams.ReadResp().setEvent(new streams.ReadResp.ReadEvent().setEvent(recorded))
  const port = await serve((stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write(framed(response.serializeBinary()))
  })
  return { place, url: `esdb://127.0.0.1:${port}?tls=false` }
}

const idsOf = (entries: readonly LogEntry[]) => entries.map((entry) => eventOf(entry).metadata.id)

test('whoever is behind reads page after page, and nothing is subscribed to', async () => {
  const { double, store, append } = await open()
  await append(0, 90)
  const all = await store.readAll(null, 1_000)
  let after: string | null = null
  const seen: string[] = []
  for (;;) {
    const page = await store.readAll(after, 20)
    if (page.length === 0) break
    seen.push(...idsOf(page))
    after = page.at(-1)?.position ?? null
  }
  expect(seen).toEqual(idsOf(all))
  expect(seen).toHaveLength(90)
  expect(double.counts().subscriptions).toBe(0)
})

test('while little comes one subscription tells of it, and a busy log needs none until somebody waits again', async () => {
  const { double, store, append } = await open()
  const signal = new AbortController().signal
  let after: string | null = null
  const next = async () => {
    await store.waitBehind(after, signal)
    const page = await store.readAll(after, 1_000)
    after = page.at(-1)?.position ?? null
    return page.length
  }
  for (let number = 0; number < 3; number++) {
    await append(number, 1)
    expect(await next()).toBe(1)
  }
  expect(double.counts().subscriptions).toBe(1)

  await append(100, 60)
  let read = 0
  while (read < 60) read += await next()
  await append(200, 1)
  expect(await next()).toBe(1)
  expect(double.counts().subscriptions).toBe(2)
})

test('a page that is whole is handed out, however long the server looks on', async () => {
  const { place, url } = await lookingForEver()
  const log = new EventStoreDbLog({ url, silentMs: 60_000 })
  onTestFinished(() => log.close())
  const page = await log.readAll(log.start, 10, positionOf(place))
  expect(page.map(({ stream }) => stream)).toEqual(['postscript.a'])
})

test('where a page is silent because much lies before its first entry, it is read as the server comes to it', async () => {
  const { double, store, append } = await open()
  await append(0, 2)
  const last = await store.head()
  double.misbehave({ name: 'silent-reads' }, 1)
  expect(await store.readAll(null, 10, last ?? '')).toHaveLength(2)
})

test('a log that lacks what it is known to have is reported, not taken for one that ends there', async () => {
  const { store, append } = await open()
  const [appended] = await append(0, 1)
  const lost = 'f'.repeat(16)
  await expect(store.readAll(appended?.position ?? null, 10, `${lost}-${lost}`)).rejects.toMatchObject({
    code: 'store-unavailable',
    message: 'EventStoreDB no longer has what it had',
  })
})

test('a server too old to say where in the log an event stands is one that somebody has to replace', () => {
  const none = Buffer.from('{}')
  const recorded = {
    stream: 'postscript.a',
    revision: 0,
    type: 'a',
    isJson: true,
    data: none,
    metadata: none,
  }
  expect(() =>
    logEntryOf({ ...recorded, place: { commit: 2 ** 64, prepare: 2 ** 64 } }, new Names('')),
  ).toThrow(expect.objectContaining({ code: 'store-misconfigured' }))
})
