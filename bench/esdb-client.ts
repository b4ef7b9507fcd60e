/**
 * Runs as a process of its own: `node bench/esdb-client.ts <url> <in flight> <seconds> seen|new calls|batch`. The bare
 * client: appends at the exact revision, of an event as large as the ledger's, each a call of its own or all on the
 * client's one batch call. Prints one line of JSON: what was stored a second, after a warm-up of half of the time.
 */
import { randomUUID } from 'node:crypto'
import { jsonEvent, NO_STREAM } from '@eventstore/db-client'
import { systemClock } from '../src/clock.ts'
import { Connection } from '../src/event-store/eventstoredb/connection.ts'
import { chain } from '../src/ledger/event.ts'
import { place } from '../src/ledger/placement.ts'
import { messageBody } from './message-body.ts'

const [url = '', inFlight = '', seconds = '', who = '', path = ''] = process.argv.slice(2)
const { client, credentials } = new Connection({ url })
const clock = systemClock()
const { stream, event } = place(
  {
    body: Buffer.from(messageBody('1', 's_1')),
    receivedAt: clock(),
    signedWith: '0123456789ab',
    shopIds: ['shop_1234567abcd'],
  },
  () => true,
)
const { metadata } = chain(stream, event, null, clock(), randomUUID())
const run = randomUUID().slice(0, 8)

let stored = 0
let over = false
let measuring = false

async function append(lane: number): Promise<void> {
  for (let number = 0; !over; number++) {
    const isNew = who === 'new' || number === 0
    const { type, data } = event
    await client.appendToStream(
      `bench.${run}-${lane}${who === 'new' ? `-${number}` : ''}`,
      jsonEvent({ id: randomUUID(), type, data, metadata }),
      {
        expectedRevision: isNew ? NO_STREAM : BigInt(number - 1),
        requiresLeader: true,
        // Given per call, they make it a call of its own.
        ...(path === 'calls' ? { credentials } : {}),
      },
    )
    if (measuring) stored++
  }
}

let begun = 0
let elapsed = 0
setTimeout(() => {
  measuring = true
  begun = performance.now()
}, Number(seconds) * 500)
setTimeout(() => {
  over = true
  measuring = false
  elapsed = performance.now() - begun
}, Number(seconds) * 1500)
await Promise.all(Array.from({ length: Number(inFlight) }, (_, lane) => append(lane)))
console.log(JSON.stringify({ perSecond: stored / (elapsed / 1000) }))
process.exit(0)
