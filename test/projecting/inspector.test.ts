import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test, vi } from 'vitest'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import { digestOf } from '../../src/projecting/digest.ts'
import { Inspector } from '../../src/projecting/inspector.ts'
import { builtFrom, logWith, someEvents, tamperWith } from './built.ts'

const NEVER = new AbortController().signal
const LONG = 20_000
const events = someEvents()

/** An inspector, closed when the test is finished; counts the threads that it starts. */
function inspecting(idleMs = LONG) {
  const started: Worker[] = []
  const start = () => {
    const thread = new Worker(new URL('../../src/projecting/inspector-thread.ts', import.meta.url))
    started.push(thread)
    return thread
  }
  const inspector = new Inspector({ start, idleMs })
  onTestFinished(() => inspector.close())
  return { inspector, started }
}

test('a digest is made in a thread, and is known until something is handled', async () => {
  const { inspector, started } = inspecting()
  const generation = await builtFrom(logWith(events), subscriberStatus)
  const { path } = generation
  const expected = await digestOf(path, subscriberStatus, NEVER)
  const both = [inspector.digestWithin(path, LONG), inspector.digestWithin(path, LONG)]
  expect(await Promise.all(both)).toEqual([expected, expected])

  const db = tamperWith(generation)
  db.exec("UPDATE subscriber SET status = 'unknown'")
  expect(await inspector.digestWithin(path, LONG)).toEqual(expected)
  db.exec("UPDATE generation SET checkpoint = 'm99999999'")
  const next = await inspector.digestWithin(path, LONG)
  expect(next).toMatchObject({ position: 'm99999999', rows: expected.rows })
  expect(next?.sha256).not.toBe(expected.sha256)
  expect(started).toHaveLength(1)
})

test('a stream that was parked and is not any more makes another digest, at the same position', async () => {
  const { inspector } = inspecting()
  const generation = await builtFrom(logWith(events), subscriberStatus)
  const db = tamperWith(generation)
  db.exec("INSERT INTO parked VALUES ('s', 3, NULL, 'Error', 2)")
  const before = await inspector.digestWithin(generation.path, LONG)
  db.exec("DELETE FROM parked; UPDATE subscriber SET status = 'unknown'")
  const after = await inspector.digestWithin(generation.path, LONG)
  expect(after?.position).toBe(before?.position)
  expect(after?.sha256).not.toBe(before?.sha256)
})

test('one that takes too long is not waited for: the last known one, or none, and it goes on', async () => {
  const { inspector } = inspecting()
  const generation = await builtFrom(logWith(events), subscriberStatus)
  expect(await inspector.digestWithin(generation.path, 0)).toBeNull()
  const first = await inspector.digestWithin(generation.path, LONG)
  expect(first?.position).toBe(generation.checkpoint)
  tamperWith(generation).exec("UPDATE generation SET checkpoint = 'm99999999'")
  expect(await inspector.digestWithin(generation.path, 0)).toEqual(first)
  await vi.waitFor(
    async () => expect((await inspector.digestWithin(generation.path, 0))?.position).toBe('m99999999'),
    5_000,
  )
})

test('a file that cannot be read has no digest, and a diff with it says why', async () => {
  const { inspector } = inspecting()
  const { path } = await builtFrom(logWith(events), subscriberStatus)
  expect(await inspector.digestWithin(`${path}.not`, LONG)).toBeNull()
  await expect(inspector.diff(`${path}.not`, path)).rejects.toMatchObject({
    name: 'InspectionFailed',
    code: 'ERR_SQLITE_ERROR',
  })
  expect(await inspector.digestWithin(path, LONG)).not.toBeNull()
})

test('a diff comes from the thread, and can be given up', async () => {
  const { inspector } = inspecting()
  const before = await builtFrom(logWith(events), messageTimeline)
  const after = await builtFrom(logWith(events), messageTimeline)
  tamperWith(after).exec(
    "UPDATE entry SET message = json_set(message, '$.body', '?') WHERE message_id = 'im_2'",
  )
  const diff = await inspector.diff(before.path, after.path)
  expect(diff).toMatchObject({ counts: { subjects: 4, changed: 1 }, changes: [{ subscriberId: 's_2' }] })

  tamperWith(after).exec("UPDATE generation SET checkpoint = 'm99999999'")
  const given = inspector.diff(before.path, after.path, AbortSignal.timeout(50))
  await expect(given).rejects.toThrow('timeout')
})

test('a file that is to be deleted is let go of', async () => {
  const { inspector } = inspecting()
  const before = await builtFrom(logWith(events.slice(1)), subscriberStatus)
  const after = await builtFrom(logWith(events), subscriberStatus)
  expect(await inspector.digestWithin(after.path, LONG)).not.toBeNull()
  const diff = expect(inspector.diff(before.path, after.path)).rejects.toMatchObject({ code: 'given-up' })
  await inspector.letGo(after.path)
  await diff
  rmSync(after.path)
  expect(await inspector.digestWithin(after.path, LONG)).toBeNull()
})

test('the thread ends when nothing has been asked for a while, and the next question starts another', async () => {
  const { inspector, started } = inspecting(20)
  const { path } = await builtFrom(logWith(events), subscriberStatus)
  const digest = await inspector.digestWithin(path, LONG)
  const [thread] = started
  if (thread === undefined) throw new Error('no thread was started')
  await once(thread, 'exit')
  expect(await inspector.digestWithin(path, LONG)).toEqual(digest)
  expect(started).toHaveLength(2)
})

test('a thread that fails fails what was asked of it, and the next question starts another', async () => {
  const { inspector, started } = inspecting()
  const before = await builtFrom(logWith(events.slice(1)), subscriberStatus)
  const after = await builtFrom(logWith(events), subscriberStatus)
  const diff = inspector.diff(before.path, after.path)
  const failed = expect(diff).rejects.toMatchObject({ code: 'failed' })
  await started[0]?.terminate()
  await failed
  expect(await inspector.digestWithin(after.path, LONG)).not.toBeNull()
  expect(started).toHaveLength(2)
})

test('closing ends what is under way', async () => {
  const { inspector } = inspecting()
  const before = await builtFrom(logWith(events.slice(1)), subscriberStatus)
  const after = await builtFrom(logWith(events), subscriberStatus)
  const ended = expect(inspector.diff(before.path, after.path)).rejects.toMatchObject({ code: 'closed' })
  await inspector.close()
  await ended
  await expect(inspector.diff(before.path, after.path)).rejects.toMatchObject({ code: 'closed' })
})
