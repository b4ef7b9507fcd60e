import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { Recorded, Subscriber } from '../../src/http/schemas.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { message, SHOP, SUBSCRIBER } from '../ledger/deliveries.ts'
import { canLimitFiles, liftFileLimit, spawnLimited } from '../limited-files.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, environment, LEDGER, LedgerProcess } from './ledger-process.ts'

const soon = { timeout: 20_000, interval: 50 }

test.skipIf(!canLimitFiles)(
  'while its disk is full the ledger says so and loses nothing; when there is room it goes on by itself',
  async () => {
    const folder = temporaryFolder()
    configure(folder)
    const child = spawnLimited(1024, [LEDGER, 'start'], environment(folder))
    const ledger = await new LedgerProcess(child).listening()
    const send = (number: number) => {
      const body = `${number} ${'x'.repeat(50_000)}`
      return ledger.post(message('2026-03-01T10:00:00', { id: `im_${number}`, body }))
    }

    const acknowledged: number[] = []
    let number = 0
    let answer = await send(number)
    for (; answer.status === 200; answer = await send(number)) acknowledged.push(number++)
    expect(acknowledged.length).toBeGreaterThan(3)
    expect(answer.status).toBe(503)
    expect(Number(answer.retryAfter)).toBeGreaterThan(0)
    expect(JSON.parse(answer.body)).toMatchObject({ type: 'store-unavailable' })

    // A probe is small, and fits where a delivery does not: small deliveries take what room there is.
    let small = 0
    await vi.waitFor(async () => {
      for (let status = 200; status === 200; small++)
        status = (
          await ledger.post(message('2026-03-01T10:00:00', { id: `im_${small}`, subscriber_id: 's_2' }))
        ).status
      const ready = await ledger.get('/readyz')
      expect(ready.status).toBe(503)
      expect(JSON.parse(ready.body)).toMatchObject({
        status: 'unavailable',
        // Projections may have met the limit too.
        problems: expect.arrayContaining([expect.stringContaining('the log cannot be written')]),
      })
    }, soon)
    expect((await ledger.get('/healthz')).status).toBe(200)
    const events = await ledger.get(`/v1/shops/${SHOP}/subscribers/${SUBSCRIBER}/events?limit=1`)
    expect(events.status).toBe(200)

    liftFileLimit(child.pid ?? 0)
    await vi.waitFor(async () => expect((await ledger.get('/readyz')).status).toBe(200), soon)
    const last = await send(number)
    expect(last.status).toBe(200)
    const { position } = Recorded.parse(JSON.parse(last.body))
    await vi.waitFor(async () => {
      const read = await ledger.get(`/v1/shops/${SHOP}/subscribers/${SUBSCRIBER}?after=${position}`)
      expect(read.status, read.body).toBe(200)
      expect(Subscriber.parse(JSON.parse(read.body)).messages.received).toBe(acknowledged.length + 1)
    }, soon)
    expect(await ledger.stop()).toBe(0)

    const log = new SqliteLog(join(folder, 'log.sqlite'))
    onTestFinished(() => log.close())
    const stored = await allEvents(log)
    expectWholeChains(stored)
    const revisions = stored
      .filter(({ stream }) => stream.endsWith(SUBSCRIBER))
      .map(({ revision }) => revision)
    expect(revisions).toEqual([...acknowledged, number])
  },
)
