import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { SqliteLog } from '../../src/event-store/sqlite/sqlite-log.ts'
import { allEvents, expectWholeChains } from '../chains.ts'
import { canLimitFiles, liftFileLimit, spawnLimited } from '../limited-files.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const PROGRAM = fileURLToPath(new URL('./fill-the-disk.ts', import.meta.url))

test.skipIf(!canLimitFiles)(
  'a log that cannot be written refuses appends, keeps what it acknowledged, and goes on when it can',
  async () => {
    const path = join(temporaryFolder(), 'log.sqlite')
    const child = spawnLimited(512, [PROGRAM, path], process.env)
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const said = createInterface(child.stdout)[Symbol.asyncIterator]()
    const hear = async (): Promise<{ acknowledged: number; refusal: string | null; probe: string | null }> =>
      JSON.parse(String((await said.next()).value))

    const full = await hear()
    expect(full).toMatchObject({ refusal: 'store-unavailable', probe: 'store-unavailable' })
    expect(full.acknowledged).toBeGreaterThan(0)

    liftFileLimit(child.pid ?? 0)
    child.stdin.write('go on\n')
    expect(await hear()).toEqual({ acknowledged: 400, refusal: null, probe: null })
    expect(await once(child, 'exit')).toEqual([0, null])

    const log = new SqliteLog(path)
    onTestFinished(() => log.close())
    const events = await allEvents(log)
    expect(events).toHaveLength(400)
    expectWholeChains(events)
  },
)
