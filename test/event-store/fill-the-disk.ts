/**
 * A program for a test: appends to the log at the path it is given until that fails, says so, and appends the rest once
 * it reads that it may. It is run with a limit on how large a file may become, as a disk has one.
 */
import { once } from 'node:events'
import { type EventStore, StoreError } from '../../src/event-store/event-store.ts'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { message, placeBody } from '../ledger/deliveries.ts'

const AT_ONCE = 10
const ALL = 400

const [, , path = ''] = process.argv
const store = await SqliteEventStore.open({ path, writer: 'folder-1' })
const say = (words: object): void => console.log(JSON.stringify(words))

let acknowledged = 0
let refusal = await appendNext(store)
while (refusal === null) refusal = await appendNext(store)
// Where ten events don't fit, a probe may, for a while.
let probe = await codeOf(store.probe())
while (probe === null) probe = await codeOf(store.probe())
say({ acknowledged, refusal, probe })

await once(process.stdin, 'data')
process.stdin.destroy()
while (acknowledged < ALL && (await appendNext(store)) === null);
say({ acknowledged, refusal: null, probe: await codeOf(store.probe()) })
await store.close()

// The code of the first refusal among the next ones; null when all were taken.
async function appendNext(log: EventStore): Promise<string | null> {
  const codes = await Promise.all(
    Array.from({ length: AT_ONCE }, (_, index) => {
      const id = `im_${acknowledged + index}`
      const body = message('2026-03-01T10:00:00.000000', { id, body: 'x'.repeat(8_000) })
      const { stream, event } = placeBody(body)
      return codeOf(log.append(stream, event))
    }),
  )
  if (codes.every((code) => code === null)) acknowledged += AT_ONCE
  return codes.find((code) => code !== null) ?? null
}

async function codeOf(asked: Promise<unknown>): Promise<string | null> {
  try {
    await asked
    return null
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error)
  }
}
