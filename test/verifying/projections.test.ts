import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import * as z from 'zod'
import { projections } from '../../projections/index.ts'
import { messageTimeline } from '../../projections/message-timeline/projection.ts'
import { subscriberStatus } from '../../projections/subscriber-status/projection.ts'
import type { EventLog } from '../../src/event-store/event-store.ts'
import { streams } from '../../src/ledger/event.ts'
import { digestOf } from '../../src/projecting/digest.ts'
import { type AnyProjection, defineProjection } from '../../src/projecting/projection.ts'
import { type Verdict, verifyProjections } from '../../src/verifying/projections.ts'
import { optIn, SHOP } from '../ledger/deliveries.ts'
import { configure, environment, LEDGER, LedgerProcess } from '../process/ledger-process.ts'
import { builtFrom, logWith, someEvents, tamperWith } from '../projecting/built.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const NEVER = new AbortController().signal
const events = someEvents()
const all: readonly AnyProjection[] = Object.values(projections)

interface Asked {
  readonly log?: EventLog
  readonly projections?: readonly AnyProjection[]
  readonly signal?: AbortSignal
}

async function verdicts(folder: string, asked: Asked = {}): Promise<Verdict[]> {
  return Array.fromAsync(
    verifyProjections({
      log: logWith(events),
      projections: all,
      signal: NEVER,
      onProgress: () => {},
      ...asked,
      folder,
      scratch: temporaryFolder(),
    }),
  )
}

/** What is said of one projection that somebody has changed. */
async function saidOf(projection: AnyProjection, sql: string): Promise<Verdict | undefined> {
  const folder = temporaryFolder()
  tamperWith(await builtFrom(logWith(events), projection, { folder })).exec(sql)
  const [verdict] = await verdicts(folder, { projections: [projection] })
  return verdict
}

test('rows that nobody has changed are what the log says', async () => {
  const folder = temporaryFolder()
  const said = []
  for (const projection of all) {
    const { path } = await builtFrom(logWith(events), projection, { folder })
    const { rows, sha256, position } = await digestOf(path, projection, NEVER)
    const line = `${rows} rows are what the log says (digest ${sha256} at ${position})`
    said.push({ name: projection.name, outcome: 'same', lines: [line] })
  }
  expect(await verdicts(folder)).toEqual(said)
})

test('so are those of an empty log; of what has not been built it is said', async () => {
  const folder = temporaryFolder()
  const empty = logWith([])
  await builtFrom(empty, subscriberStatus, { folder })
  expect(await verdicts(folder, { log: empty, projections: [subscriberStatus, messageTimeline] })).toEqual([
    {
      name: 'subscriber-status',
      outcome: 'same',
      lines: [expect.stringMatching(/^0 rows are what the log says \(digest [0-9a-f]{64}\)$/)],
    },
    { name: 'message-timeline', outcome: 'absent', lines: ['nothing is served: it has not been built'] },
  ])
})

test('each is compared as far as it is', async () => {
  const folder = temporaryFolder()
  await builtFrom(logWith(events.slice(0, 7)), subscriberStatus, { folder })
  await builtFrom(logWith(events.slice(0, 19)), messageTimeline, { folder })
  for (const { outcome } of await verdicts(folder, { projections: [subscriberStatus, messageTimeline] }))
    expect(outcome).toBe('same')
})

describe('what somebody has changed is named', () => {
  const s1 = `shop_id ${SHOP}, subscriber_id s_1`

  test.each<[what: string, projection: AnyProjection, sql: string, said: string]>([
    [
      'one character of one cell',
      subscriberStatus,
      "UPDATE subscriber SET since = replace(since, '10:00:00.000000', '10:00:00.000001') WHERE subscriber_id = 's_1'",
      `subscriber (${s1}): since differs from what the log says`,
    ],
    [
      'more than one cell, without what is in them',
      subscriberStatus,
      "UPDATE subscriber SET email = 'x@example.com', phone = '+15559999999' WHERE subscriber_id = 's_1'",
      `subscriber (${s1}): phone, email differ from what the log says`,
    ],
    [
      'a text',
      messageTimeline,
      "UPDATE entry SET message = replace(message, 'STOP', 'GO') WHERE message_id = 'im_1_stop'",
      `entry (${s1}, occurred_at 2026-03-04T10:00:00.000000Z, event_id `,
    ],
    [
      'a row that is missing, without the number that it was of',
      subscriberStatus,
      "DELETE FROM phone WHERE subscriber_id = 's_1'",
      `phone (shop_id ${SHOP}, phone …, subscriber_id s_1): is missing`,
    ],
    [
      'a row that was added',
      subscriberStatus,
      "INSERT INTO message SELECT key, 'im_none' FROM subscriber WHERE subscriber_id = 's_1'",
      `message (${s1}, message_id im_none): is there, and the log does not say so`,
    ],
    [
      'a row that was put to nobody',
      subscriberStatus,
      "INSERT INTO message VALUES (99, 'im_none')",
      'message (shop_id 99, subscriber_id null, message_id im_none): is there, and the log does not say so',
    ],
    [
      'a key that is more than a line',
      subscriberStatus,
      "INSERT INTO phone VALUES ('a' || char(10) || char(27) || 'b', '+15551234567', 's')",
      'phone (shop_id a??b, phone …, subscriber_id s): is there, and the log does not say so',
    ],
    [
      'a stream that waits and need not',
      messageTimeline,
      `INSERT INTO parked VALUES ('${streams.subscriber(SHOP, 's_1')}', 7, NULL, 'Error', 1)`,
      `${streams.subscriber(SHOP, 's_1')}: waits at revision 7, which can be handled now`,
    ],
    [
      'another table',
      subscriberStatus,
      'ALTER TABLE phone RENAME COLUMN phone TO number',
      'its tables are not those of this version: no such column',
    ],
    [
      'a position that the log does not have',
      subscriberStatus,
      "UPDATE generation SET checkpoint = 'm99999999'",
      'goes up to m99999999, and the log does not',
    ],
  ])('%s', async (_, projection, sql, said) => {
    const verdict = await saidOf(projection, sql)
    expect(verdict?.outcome).toBe('differs')
    expect(verdict?.lines).toHaveLength(1)
    expect(verdict?.lines[0]?.startsWith(said)).toBe(true)
  })

  test('the first ten, and how many there are', async () => {
    const verdict = await saidOf(messageTimeline, 'UPDATE entry SET recorded_at = kind')
    expect(verdict?.lines).toHaveLength(11)
    expect(verdict?.lines.at(-1)).toBe('16 differences in all')
  })
})

const picky = (name: string): AnyProjection =>
  defineProjection({
    ...subscriberStatus,
    queries: () => null,
    tables: (db) => subscriberStatus.open(db),
    handle: (fact, event, open) => {
      if (event.stream === streams.subscriber(SHOP, name) && event.revision >= 2) throw new Error('never')
      open.handle(fact, event)
    },
  })

test('streams that wait, and would if the log were folded now, are what it says; it is said how many', async () => {
  const folder = temporaryFolder()
  await builtFrom(logWith(events), picky('s_1'), { folder })
  const [same] = await verdicts(folder, { projections: [picky('s_1')] })
  expect(same?.outcome).toBe('same')
  expect(same?.lines[0]).toMatch(/\); 1 stream could not be handled to the end$/)

  const [mended] = await verdicts(folder, { projections: [subscriberStatus] })
  expect(mended?.outcome).toBe('differs')
  expect(mended?.lines).toContain(
    `${streams.subscriber(SHOP, 's_1')}: waits at revision 2, which can be handled now`,
  )
  const [worse] = await verdicts(folder, { projections: [picky('s_2')] })
  expect(worse?.lines).toContain(
    `${streams.subscriber(SHOP, 's_2')}: does not wait, and revision 2 cannot be handled`,
  )
})

test('one of an earlier version is not compared', async () => {
  const folder = temporaryFolder()
  await builtFrom(logWith(events), subscriberStatus, { folder })
  const raised = { ...subscriberStatus, version: 2 }
  expect(await verdicts(folder, { projections: [raised] })).toEqual([
    {
      name: 'subscriber-status',
      outcome: 'differs',
      lines: ['was built by version 1 of the projection, and this is version 2: rebuild it'],
    },
  ])
})

test('one that is held is not what is served', async () => {
  const folder = temporaryFolder()
  await builtFrom(logWith(events), subscriberStatus, { folder })
  tamperWith(await builtFrom(logWith(events), subscriberStatus, { folder })).exec(
    "UPDATE generation SET held = 1; UPDATE subscriber SET status = 'unknown'",
  )
  expect((await verdicts(folder, { projections: [subscriberStatus] }))[0]?.outcome).toBe('same')
})

test('nor is one that is whole and still behind', async () => {
  const folder = temporaryFolder()
  const { sha256, rows, position } = await digestOf(
    (await builtFrom(logWith(events), subscriberStatus, { folder })).path,
    subscriberStatus,
    NEVER,
  )
  await builtFrom(logWith(events.slice(0, 5)), subscriberStatus, { folder })
  const [verdict] = await verdicts(folder, { projections: [subscriberStatus] })
  expect(verdict?.lines).toEqual([`${rows} rows are what the log says (digest ${sha256} at ${position})`])
})

test('one that was built from another log is refused', async () => {
  const folder = temporaryFolder()
  const generation = await builtFrom(logWith(events), subscriberStatus, { folder })
  tamperWith(generation).exec("UPDATE generation SET log = 'another'")
  await expect(verdicts(folder)).rejects.toMatchObject({ code: 'projection-of-another-log' })
})

test('it can be stopped', async () => {
  const folder = temporaryFolder()
  for (const projection of all) await builtFrom(logWith(events), projection, { folder })
  await expect(verdicts(folder, { signal: AbortSignal.abort() })).rejects.toThrow('abort')
})

/** Runs `ledger verify --projections` on a data folder; whatever it leaves behind is a mistake. */
async function verifying(folder: string) {
  const temporary = mkdtempSync(join(tmpdir(), 'ledger-test-'))
  onTestFinished(() => rmSync(temporary, { recursive: true }))
  const options = { env: environment(folder, { TMPDIR: temporary }) }
  const ran = await new Promise<{ stdout: string; stderr: string; code: unknown }>((resolve) => {
    execFile(process.execPath, [LEDGER, 'verify', '--projections'], options, (error, stdout, stderr) =>
      resolve({ stdout, stderr, code: error === null ? 0 : error.code }),
    )
  })
  expect(readdirSync(temporary).filter((name) => name.startsWith('ledger-'))).toEqual([])
  return ran
}

const Answer = z.object({ position: z.string() })
const SAME = new RegExp(
  `^${all.map(({ name }) => `projection ${name}: \\d+ rows? (is|are) what the log says \\(digest [0-9a-f]{64} at \\d{16}\\)\n`).join('')}$`,
)

test('the command, beside a ledger that runs and after it', async () => {
  const folder = temporaryFolder()
  configure(folder)
  const ledger = await LedgerProcess.start(folder)
  let position = ''
  for (const hour of ['10', '11', '12'])
    ({ position } = Answer.parse(JSON.parse((await ledger.post(optIn(`2026-03-01T${hour}:00:00`))).body)))
  for (const path of ['subscribers', `subscribers/s_7f3a9/timeline`, 'unplaced'])
    expect((await ledger.get(`/v1/shops/${SHOP}/${path}?after=${position}`)).status).toBe(200)
  const beside = await verifying(folder)
  expect(beside).toMatchObject({ stdout: expect.stringMatching(SAME), stderr: '', code: 0 })
  expect(await ledger.stop()).toBe(0)
  expect(await verifying(folder)).toEqual(beside)

  const [file] = readdirSync(join(folder, 'projections', 'subscriber-status')).filter((name) =>
    /^\d+\.sqlite$/.test(name),
  )
  const path = join(folder, 'projections', 'subscriber-status', file ?? '')
  const db = new DatabaseSync(path)
  db.exec("UPDATE subscriber SET status = 'unsubscribed'")
  db.close()
  const { stdout, stderr, code } = await verifying(folder)
  expect(stdout).toContain(
    `projection subscriber-status: subscriber (shop_id ${SHOP}, subscriber_id s_7f3a9): status differs from what the log says\n`,
  )
  expect({ stderr, code }).toEqual({ stderr: '', code: 1 })

  rmSync(join(folder, 'projections', 'subscriber-status'), { recursive: true })
  expect(await verifying(folder)).toMatchObject({ code: 2 })
})
