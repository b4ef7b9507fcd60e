import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { Recorded } from '../../src/http/schemas.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { message } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, LedgerProcess } from './ledger-process.ts'

const KILLS = 10
const AT_ONCE = 32

test('killed under load ten times over, the ledger has every event that it acknowledged, once', async () => {
  const folder = temporaryFolder()
  configure(folder)
  /** Where each message is, by the ledger's word. */
  const acknowledged = new Map<string, string>()
  /** Sent, and not answered: there or not, they are sent again. */
  const open = new Set<string>()
  let sent = 0

  for (let kill = 0; kill < KILLS; kill++) {
    const ledger = await LedgerProcess.start(folder)
    const enough = acknowledged.size + 20 + Math.floor(Math.random() * 400)
    const again = [...open]
    let killed = false
    const send = async (): Promise<void> => {
      while (!killed) {
        const id = again.pop() ?? `im_${sent++}`
        open.add(id)
        const answer = await ledger.post(bodyOf(id)).catch(() => null)
        if (answer === null) return
        expect(answer.status, answer.body).toBe(200)
        const { stream, revision } = Recorded.parse(JSON.parse(answer.body))
        acknowledged.set(id, `${stream} ${revision}`)
        open.delete(id)
        if (acknowledged.size >= enough && !killed) {
          killed = true
          ledger.child.kill('SIGKILL')
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, send))
    await ledger.exited
  }

  const last = await LedgerProcess.start(folder)
  for (const id of open) expect((await last.post(bodyOf(id))).status).toBe(200)
  expect(await last.stop()).toBe(0)

  const log = new SqliteLog(join(folder, 'log.sqlite'))
  onTestFinished(() => log.close())
  const events = await allEvents(log)
  expectWholeChains(events)
  const stored = new Map<string, string>()
  for (const { stream, revision, data } of events) {
    const { event_data } = data
    const id = JSON.stringify(event_data).match(/im_\d+/)?.[0] ?? ''
    expect(stored.has(id), `${id} is there twice`).toBe(false)
    stored.set(id, `${stream} ${revision}`)
  }
  expect(stored.size).toBe(sent)
  const lost = [...acknowledged].filter(([id, place]) => stored.get(id) !== place)
  expect(lost).toEqual([])
  expect(acknowledged.size).toBeGreaterThanOrEqual(KILLS * 20)
})

// Few subscribers, so that their chains are long and every kill cuts into some.
function bodyOf(id: string) {
  const subscriber = `s_${Number(id.slice(3)) % 7}`
  return message('2026-03-01T10:00:00.000000', { id, subscriber_id: subscriber })
}
