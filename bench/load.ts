/**
 * Runs as a process of its own: `node bench/load.ts <port> <connections> <seconds> <deliveries> <token> [story|seen|new]`.
 * Keeps each connection busy with the next delivery of a story, or a message of a subscriber who was seen before or is new, over plain sockets, because a full HTTP client costs more than the server it
 * measures. Prints one line of JSON: what was answered in the measured time, after a warm-up of half of it.
 */
import { connect } from 'node:net'
import { story } from '../src/traffic/story.ts'
import { messageBody } from './message-body.ts'

const [port = '', connections = '', seconds = '', deliveries = '', token = '', who = 'story'] =
  process.argv.slice(2)
const requests: Buffer[] = []
const shops = [{ id: 'shop_1234567abcd', signingToken: token }]
const plan = () =>
  story({
    seed: 'bench',
    shops,
    subscribers: 20_000,
    start: '2026-01-05T14:00:00Z',
    deliveries: Number(deliveries),
  })
/** A message each, of one of so many subscribers. */
function* messages(subscribers: number) {
  const run = process.pid
  for (let number = 0; number < Number(deliveries); number++)
    yield { body: messageBody(`${run}-${number}`, `s_${run}_${number % subscribers}`), signingToken: token }
}
const planned = who === 'story' ? plan() : messages(who === 'seen' ? 2_000 : Number.POSITIVE_INFINITY)
for (const { body, signingToken } of planned)
  requests.push(
    Buffer.from(
      `POST /webhooks/postscript HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
        `Postscript-Signature: ${signingToken}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    ),
  )

let next = 0
let answered = 0
let refused = 0
let over = false
const latencies: number[] = []
let measuring = false

function converse(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connect(Number(port), '127.0.0.1')
  socket.setNoDelay(true)
  let sentAt = 0
  const send = () => {
    const request = requests[next++]
    if (over || request === undefined) {
      socket.end()
      return
    }
    sentAt = performance.now()
    socket.write(request)
  }
  // One request at a time on each connection, and every answer fits into one packet.
  socket.on('data', (answer: Buffer) => {
    if (answer.subarray(9, 12).toString('latin1') !== '200') refused++
    else if (measuring) {
      answered++
      latencies.push(performance.now() - sentAt)
    }
    send()
  })
  socket.on('connect', send)
  socket.on('close', () => resolve())
  socket.on('error', reject)
  return promise
}

const warmUp = Number(seconds) * 500
let begun = 0
setTimeout(() => {
  measuring = true
  begun = performance.now()
}, warmUp)
let elapsed = 0
setTimeout(
  () => {
    over = true
    measuring = false
    elapsed = performance.now() - begun
  },
  warmUp + Number(seconds) * 1000,
)
await Promise.all(Array.from({ length: Number(connections) }, converse))
latencies.sort((a, b) => a - b)
const exhausted = next > requests.length
console.log(
  JSON.stringify({
    perSecond: exhausted ? 0 : answered / (elapsed / 1000),
    refused,
    exhausted,
    p50: latencies[Math.floor(latencies.length / 2)] ?? 0,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  }),
)
process.exit(0)
