import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import { Subscriber } from '../../src/http/schemas.ts'
import { streams } from '../../src/ledger/event.ts'
import { ReadModels } from '../../src/projecting/read-models.ts'
import { type AppOptions, openLogIn, type RunningApp, runApp } from '../http/running-app.ts'
import { delivery, message, optIn, optOut, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { openLog, project, rowsOf } from './doubles.ts'

const PROJECTIONS = ['subscriber-status', 'message-timeline', 'unplaced']

/** Tells a ledger of some subscribers, out of order and twice; gives the last position. */
async function tell(ledger: RunningApp, subscribers: number): Promise<string> {
  let position = ''
  for (let number = 0; number < subscribers; number++) {
    const id = { subscriber_id: `s_${number}`, phone_number: `+1555010${1000 + number}` }
    for (const body of [
      optOut('2026-03-03T10:00:00', id),
      optIn('2026-03-01T10:00:00', id),
      message('2026-03-02T10:00:00', { ...id, id: `im_${number}` }),
      message('2026-03-02T10:00:00', { ...id, id: `im_${number}`, body: 'told differently' }),
      delivery('shop.incoming_message', { body: `from nobody ${number}` }),
    ])
      position = (await ledger.record(body)).position
  }
  return position
}

async function settled(ledger: RunningApp, position: string): Promise<void> {
  for (const path of ['/subscribers', '/subscribers/s_0/timeline', '/unplaced'])
    expect((await ledger.read(`${path}?after=${position}`)).statusCode).toBe(200)
}

function generationFile(folder: string, name: string): string {
  const home = join(folder, 'projections', name)
  const files = readdirSync(home).filter((file) => file.endsWith('.sqlite'))
  expect(files).toHaveLength(1)
  return join(home, files[0] ?? '')
}

/** What all projections hold. To be asked while nothing runs. */
function dump(folder: string) {
  return Object.fromEntries(PROJECTIONS.map((name) => [name, rowsOf(generationFile(folder, name))]))
}

/** Opens the folder, lets all projections reach `position`, and closes it. */
async function visit(folder: string, position: string, options: AppOptions = {}): Promise<void> {
  const ledger = await runApp({ ...options, folder })
  await settled(ledger, position)
  await ledger.close()
}

test('what was projected is served at once after a restart, and what came last is caught up with', async () => {
  const folder = temporaryFolder()
  const first = await runApp({ folder })
  await settled(first, await tell(first, 3))
  await first.close()
  const before = dump(folder)

  const store = await openLog(folder)
  await store.close()
  const again = await runApp({ folder })
  expect((await again.read('/subscribers')).json()).toMatchObject({ items: [{}, {}, {}] })
  const { position } = await again.record(optIn('2026-03-09T10:00:00', { subscriber_id: 's_0' }))
  expect((await again.read(`/subscribers/s_0?after=${position}`)).json()).toMatchObject({
    status: 'subscribed',
  })
  await again.close()
  expect(dump(folder)).not.toEqual(before)
})

test('a generation that was deleted is built again, with the same rows to the byte', async () => {
  const folder = temporaryFolder()
  const ledger = await runApp({ folder })
  const position = await tell(ledger, 10)
  await settled(ledger, position)
  await ledger.close()
  const before = dump(folder)
  expect(before['subscriber-status']?.['subscriber']).toHaveLength(10)

  rmSync(join(folder, 'projections', 'subscriber-status'), { recursive: true })
  rmSync(generationFile(folder, 'message-timeline'))
  await visit(folder, position)
  expect(dump(folder)).toStrictEqual(before)

  rmSync(join(folder, 'projections'), { recursive: true })
  await visit(folder, position)
  expect(dump(folder)).toStrictEqual(before)
})

test.each<[string, (path: string) => void]>([
  ['is words', (path) => writeFileSync(path, 'Dear diary,\n'.repeat(5000))],
  ['was cut to half a page', (path) => truncateSync(path, 2048)],
  ['was cut to three pages', (path) => truncateSync(path, 3 * 4096)],
])('a generation whose file %s is never served but built again', async (_, harm) => {
  const folder = temporaryFolder()
  const ledger = await runApp({ folder })
  const position = await tell(ledger, 3)
  await settled(ledger, position)
  await ledger.close()
  const before = dump(folder)
  for (const name of PROJECTIONS) harm(generationFile(folder, name))
  await visit(folder, position)
  expect(dump(folder)).toStrictEqual(before)
})

test('projections of another log are refused in a line that says so', async () => {
  const folder = temporaryFolder()
  const ledger = await runApp({ folder })
  await settled(ledger, await tell(ledger, 1))
  await ledger.close()

  const other = temporaryFolder()
  await (await openLog(other)).close()
  const location = { engine: 'sqlite', path: join(other, 'log.sqlite') } as const
  await expect(ReadModels.start({ location, folder: join(folder, 'projections') })).rejects.toMatchObject({
    code: 'projection-of-another-log',
    message: expect.stringContaining('was built from another log: delete it'),
  })
})

test('a subscriber with a parked event is shown as incomplete, the others are not', async () => {
  const folder = temporaryFolder()
  const ledger = await runApp({ folder })
  const position = await tell(ledger, 2)
  await ledger.close()

  // The projection as it might be with a mistake in it: it cannot handle the second event of one subscriber.
  rmSync(join(folder, 'projections', 'subscriber-status'), { recursive: true })
  const mistaken = {
    ...subscriberStatus,
    open: (...db: Parameters<typeof subscriberStatus.open>) => {
      const { name, handle } = subscriberStatus.open(...db)
      const choosy: typeof handle = (fact, event) => {
        if (event.stream === streams.subscriber(SHOP, 's_1') && event.revision === 1)
          throw new Error('mistake')
        handle(fact, event)
      }
      return { name, handle: choosy }
    },
  }
  const { store } = await openLogIn(folder)
  const projector = await project(store, join(folder, 'projections'), mistaken)
  await expect.poll(() => projector.last('subscriber-status')?.checkpoint).toBe(position)
  await projector.stop()
  await store.close()

  const again = await runApp({ folder })
  const read = async (id: string) => Subscriber.parse((await again.read(`/subscribers/${id}`)).json())
  expect(await read('s_0')).toMatchObject({ incomplete: false, revision: 3 })
  expect(await read('s_1')).toMatchObject({ incomplete: true, revision: 0 })
  expect((await again.read('/subscribers')).json()).toMatchObject({
    items: [{ incomplete: false }, { incomplete: true }],
  })
  await again.close()

  rmSync(join(folder, 'projections', 'subscriber-status'), { recursive: true })
  const mended = await runApp({ folder })
  await settled(mended, position)
  expect((await mended.read('/subscribers/s_1')).json()).toMatchObject({ incomplete: false, revision: 3 })
})
