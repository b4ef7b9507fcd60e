import { describe, expect, test } from 'vitest'
import type { EventStore } from '../../src/event-store/event-store.ts'
import { eventsOf } from '../../src/event-store/event-store.ts'
import { eventHash, streams } from '../../src/ledger/event.ts'
import { parseJsonObject } from '../../src/ledger/json.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { message, placeBody, SHOP, SUBSCRIBER } from '../ledger/deliveries.ts'

export interface StoreUnderTest {
  /** Empty. */
  readonly store: EventStore
  /** Closes the store and opens it again with its data. */
  reopen(): Promise<EventStore>
}

const STREAM = streams.subscriber(SHOP, SUBSCRIBER)

/** What every engine promises. `open` gives a new, empty store and closes it when the test is finished. */
export function describeEventStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    describe('append', () => {
      test('says where the event is', async () => {
        const { store } = await open()
        const first = await store.append(STREAM, texted(0))
        const second = await store.append(STREAM, texted(1))
        expect(first).toMatchObject({ outcome: 'appended', revision: 0 })
        expect(second).toMatchObject({ outcome: 'appended', revision: 1 })
        expect(await store.readAll(first.position, 10)).toMatchObject([{ position: second.position }])
      })

      test('says of a duplicate where the first one is', async () => {
        const { store } = await open()
        await store.append(STREAM, texted(0))
        const first = await store.append(STREAM, texted(1))
        await store.append(STREAM, texted(2))
        expect(await store.append(STREAM, texted(1))).toEqual({ ...first, outcome: 'duplicate' })
        expect(await store.readStream(STREAM, 0, 10)).toHaveLength(3)
      })

      test('keeps the first telling of a duplicate that was spelled differently', async () => {
        const { store } = await open()
        const { event } = placeBody(`${JSON.stringify(textedBody(0))} `)
        await store.append(STREAM, texted(0))
        expect(await store.append(STREAM, event)).toMatchObject({ outcome: 'duplicate', revision: 0 })
        const [stored] = await store.readStream(STREAM, 0, 10)
        expect(stored?.metadata.raw).toBeUndefined()
      })

      test('takes the same event once in each of two streams', async () => {
        const { store } = await open()
        const other = streams.subscriber(SHOP, 's_other')
        expect(await store.append(STREAM, texted(0))).toMatchObject({ outcome: 'appended', revision: 0 })
        expect(await store.append(other, texted(0))).toMatchObject({ outcome: 'appended', revision: 0 })
      })

      test('records 200 identical appends at once only once', async () => {
        const { store } = await open()
        const answers = await Promise.all(Array.from({ length: 200 }, () => store.append(STREAM, texted(0))))
        expect(answers.filter(({ outcome }) => outcome === 'appended')).toHaveLength(1)
        expect(new Set(answers.map(({ revision, position }) => `${revision} ${position}`)).size).toBe(1)
        expect(await allEvents(store)).toHaveLength(1)
      })

      test('chains 300 different events of one stream that come at once', async () => {
        const { store } = await open()
        const answers = await Promise.all(
          Array.from({ length: 300 }, (_, index) => store.append(STREAM, texted(index))),
        )
        expect(answers.map(({ revision }) => revision).toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: 300 }, (_, index) => index),
        )
        const events = await allEvents(store)
        expect(events).toHaveLength(300)
        expectWholeChains(events)
      })

      test('finds a duplicate after it was opened again', async () => {
        const { store, reopen } = await open()
        const first = await store.append(STREAM, texted(0))
        const again = await reopen()
        expect(await again.append(STREAM, texted(0))).toEqual({ ...first, outcome: 'duplicate' })
      })

      test('goes on with the chain after it was opened again', async () => {
        const { store, reopen } = await open()
        await store.append(STREAM, texted(0))
        const id = await store.id()
        const again = await reopen()
        expect(await again.id()).toBe(id)
        expect(await again.append(STREAM, texted(1))).toMatchObject({ outcome: 'appended', revision: 1 })
        expectWholeChains(await allEvents(again))
      })

      test('refuses, once closed, without hanging', async () => {
        const { store, reopen } = await open()
        await reopen()
        await expect(store.append(STREAM, texted(0))).rejects.toMatchObject({ code: 'store-unavailable' })
        await expect(store.probe()).rejects.toMatchObject({ code: 'store-unavailable' })
      })
    })

    test('probing a store that can be written stores nothing', async () => {
      const { store } = await open()
      await store.probe()
      expect(await store.head()).toBeNull()
    })

    test('closing commits what was asked before', async () => {
      const { store, reopen } = await open()
      const asked = Array.from({ length: 50 }, (_, index) => store.append(STREAM, texted(index)))
      const again = await reopen()
      expect((await Promise.all(asked)).map(({ outcome }) => outcome)).toEqual(Array(50).fill('appended'))
      expect(await allEvents(again)).toHaveLength(50)
    })

    describe('what is stored', () => {
      const odd: Record<string, string> = {
        'a NUL': '"a\\u0000b"',
        'lone surrogates': '"\\ud83d \\ude00"',
        'a key named __proto__': '{"__proto__":{"a":1},"constructor":2}',
        'ids of 19 digits': '[9223372036854775807,9223372036854775806]',
        'numbers out of range': '[1e400,-1e-400,1e21]',
        'escapes that were not needed': '"\\u0041\\/"',
        'doubled keys': '{"a":1,"a":2}',
      }
      test.each(Object.keys(odd))('comes back as it was given: %s', async (what) => {
        const { store, reopen } = await open()
        const text = textedText(0, `"odd": ${odd[what]}`)
        const { event } = placeBody(text)
        await store.append(STREAM, event)
        const [stored] = await (await reopen()).readStream(STREAM, 0, 10)
        expect(stored?.data).toStrictEqual(parseJsonObject(text))
        expect(JSON.stringify(stored?.data)).toBe(event.json)
        expect(stored?.metadata.raw).toBe(text)
        expect(stored && eventHash(stored)).toBe(stored?.metadata.hash)
      })

      test('has no raw text where JSON.stringify gives it back', async () => {
        const { store } = await open()
        await store.append(STREAM, texted(0))
        const [stored] = await store.readStream(STREAM, 0, 10)
        expect(stored?.metadata).not.toHaveProperty('raw')
      })
    })

    describe('reading a stream', () => {
      test('gives nothing where there is none', async () => {
        const { store } = await open()
        expect(await store.readStream(STREAM, 0, 10)).toEqual([])
      })

      test('gives pages in order, from any revision', async () => {
        const { store } = await open()
        for (let index = 0; index < 7; index++) await store.append(STREAM, texted(index))
        expect((await store.readStream(STREAM, 0, 3)).map(({ revision }) => revision)).toEqual([0, 1, 2])
        expect((await store.readStream(STREAM, 3, 3)).map(({ revision }) => revision)).toEqual([3, 4, 5])
        expect((await store.readStream(STREAM, 6, 3)).map(({ revision }) => revision)).toEqual([6])
        expect(await store.readStream(STREAM, 7, 3)).toEqual([])
      })

      test('gives all of a long one, page by page', async () => {
        const { store } = await open()
        await Promise.all(Array.from({ length: 1001 }, (_, index) => store.append(STREAM, texted(index))))
        const revisions: number[] = []
        for await (const { revision } of eventsOf(store, STREAM)) revisions.push(revision)
        expect(revisions).toEqual(Array.from({ length: 1001 }, (_, index) => index))
      })

      test('is not disturbed by a stream whose name begins alike', async () => {
        const { store } = await open()
        await store.append(`${STREAM}x`, texted(0))
        expect(await store.readStream(STREAM, 0, 10)).toEqual([])
      })
    })

    describe('reading the log', () => {
      test('gives all streams in the order of appending, page by page', async () => {
        const { store } = await open()
        const asked = Array.from({ length: 25 }, (_, index) => streams.subscriber(SHOP, `s_${index % 4}`))
        for (const [index, stream] of asked.entries()) await store.append(stream, texted(index))
        const first = await store.readAll(null, 10)
        const second = await store.readAll(first.at(-1)?.position ?? null, 100)
        expect(first).toHaveLength(10)
        expect([...first, ...second].map(({ stream }) => stream)).toEqual(asked)
        expect(await store.readAll(second.at(-1)?.position ?? null, 10)).toEqual([])
      })

      test('begins behind the start as behind nothing', async () => {
        const { store } = await open()
        await store.append(STREAM, texted(0))
        expect(await store.readAll(store.start, 10)).toEqual(await store.readAll(null, 10))
      })

      test('positions sort as text in the order of the log', async () => {
        const { store } = await open()
        await Promise.all(Array.from({ length: 120 }, (_, index) => store.append(STREAM, texted(index))))
        const positions = (await allEvents(store)).map(({ position }) => position)
        expect(positions).toEqual(positions.toSorted())
        expect(positions.every((position) => position > store.start)).toBe(true)
        expect(new Set(positions).size).toBe(120)
      })

      test('gives nothing behind the position that is named as the last', async () => {
        const { store } = await open()
        await Promise.all(Array.from({ length: 9 }, (_, index) => store.append(STREAM, texted(index))))
        const all = await allEvents(store)
        const [after, last] = [all[1]?.position ?? null, all[4]?.position ?? '']
        expect(await store.readAll(after, 100, last)).toEqual(all.slice(2, 5))
        expect(await store.readAll(last, 100, last)).toEqual([])
      })

      test('a page of large events has fewer, and page by page all of them come', async () => {
        const { store } = await open()
        const large = Array.from(
          { length: 30 },
          (_, index) => placeBody(textedBody(index, 'x'.repeat(700_000))).event,
        )
        await Promise.all(large.map((event) => store.append(STREAM, event)))
        const page = await store.readAll(null, 1_000)
        expect(page.length).toBeGreaterThan(0)
        expect(page.length).toBeLessThan(30)
        const all = await allEvents(store)
        expect(new Set(all.map(({ metadata }) => metadata.id))).toEqual(new Set(large.map(({ id }) => id)))
      })

      test('the head is the last position, and nothing in an empty log', async () => {
        const { store } = await open()
        expect(await store.head()).toBeNull()
        await store.append(STREAM, texted(0))
        const last = await store.append(STREAM, texted(1))
        expect(await store.head()).toBe(last.position)
      })

      test('counts the events behind a position', async () => {
        const { store } = await open()
        expect(await store.countBehind(null)).toBe(0)
        const first = await store.append(STREAM, texted(0))
        await store.append(STREAM, texted(1))
        await store.append(STREAM, texted(1))
        const last = await store.append(STREAM, texted(2))
        expect(await store.countBehind(null)).toBe(3)
        expect(await store.countBehind(store.start)).toBe(3)
        expect(await store.countBehind(first.position)).toBe(2)
        expect(await store.countBehind(last.position)).toBe(0)
      })

      test('knows its own positions from other text', async () => {
        const { store } = await open()
        const { position } = await store.append(STREAM, texted(0))
        expect([position, store.start].filter((text) => store.isPosition(text))).toHaveLength(2)
        const others = ['', 'latest', '-1', `${position} `, `x${position}`, `${position}'--`]
        expect(others.filter((text) => store.isPosition(text))).toEqual([])
      })
    })

    describe('waiting for an event', () => {
      test('ends at once where there is one already', async () => {
        const { store } = await open()
        await store.append(STREAM, texted(0))
        await store.waitBehind(null, new AbortController().signal)
        await store.waitBehind(store.start, new AbortController().signal)
      })

      test('ends when one is appended, and not before', async () => {
        const { store } = await open()
        const { position } = await store.append(STREAM, texted(0))
        let ended = false
        const waiting = store.waitBehind(position, new AbortController().signal).then(() => {
          ended = true
        })
        await store.append(STREAM, texted(0))
        await store.probe()
        expect(ended).toBe(false)
        await store.append(STREAM, texted(1))
        await waiting
      })

      test('ends for everybody who waits', async () => {
        const { store } = await open()
        const signal = new AbortController().signal
        const waiting = Array.from({ length: 5 }, () => store.waitBehind(null, signal))
        await store.append(STREAM, texted(0))
        await Promise.all(waiting)
      })

      test('ends when it is given up', async () => {
        const { store } = await open()
        const giveUp = new AbortController()
        const waiting = store.waitBehind(null, giveUp.signal)
        giveUp.abort()
        await waiting
      })
    })
  })
}

/** Different for each `number`. */
function texted(number: number) {
  return placeBody(textedBody(number)).event
}

function textedBody(number: number, body = `Message ${number}`) {
  return message('2026-03-01T10:00:00.000000', { id: `im_${number}`, body })
}

/** The body as text, with one more member in it. */
function textedText(number: number, member: string): string {
  return JSON.stringify(textedBody(number)).replace('"event_data":{', `"event_data":{${member},`)
}
