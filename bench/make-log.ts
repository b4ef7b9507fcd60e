/**
 * Runs as a process of its own: `node bench/make-log.ts <folder> <events>`. Makes an embedded log of that many events, of
 * a story as real as the traffic's, and a config beside it. Prints the folder.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/clock.ts'
import { SqliteAppender } from '../src/event-store/sqlite/appender.ts'
import { writeFirstConfig } from '../src/first-start.ts'
import { place } from '../src/ledger/placement.ts'
import { story } from '../src/traffic/story.ts'

const [folder = '', events = ''] = process.argv.slice(2)
const wanted = Number(events)
mkdirSync(folder, { recursive: true })
const { signingToken, apiKey } = writeFirstConfig(join(folder, 'config.json'))
const clock = systemClock()
const appender = new SqliteAppender(join(folder, 'log.sqlite'), 'bench', clock)
const shops = [{ id: 'shop_1234567abcd', signingToken }]
const plan = story({
  seed: 'rebuild',
  shops,
  // Some sixteen events each.
  subscribers: Math.ceil(wanted / 16),
  start: '2026-01-05T14:00:00Z',
  deliveries: wanted * 2,
})
let stored = 0
let batch: { stream: string; event: ReturnType<typeof place>['event'] }[] = []
for (const { body } of plan) {
  const { stream, event } = place(
    {
      body: Buffer.from(body),
      receivedAt: clock(),
      signedWith: '0123456789ab',
      shopIds: ['shop_1234567abcd'],
    },
    () => true,
  )
  batch.push({ stream, event })
  if (batch.length < 1_000) continue
  stored += appender.append(batch).filter(({ duplicate }) => !duplicate).length
  batch = []
  if (stored % 100_000 < 1_000) console.error(`${stored} events`)
  if (stored >= wanted) break
}
appender.close()
console.log(JSON.stringify({ folder, stored, apiKey }))
