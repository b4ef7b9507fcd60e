import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { Spool } from '../../src/event-store/spool/spool.ts'
import { unspooled } from '../../src/event-store/spool/spooled-event.ts'
import { canLimitFiles, liftFileLimit, spawnLimited } from '../limited-files.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const PROGRAM = fileURLToPath(new URL('./fill-the-spool.ts', import.meta.url))
const KILLS = 5

function numbersIn(path: string): number[] {
  const spool = new Spool(path, 2 ** 30)
  onTestFinished(() => spool.close())
  return spool.oldest(100_000).map(({ event }) => Number(/"im_(\d+)"/.exec(unspooled(event).json)?.[1]))
}

test('killed while it writes, five times over, the spool has every event that it acknowledged, in order', async () => {
  const path = join(temporaryFolder(), 'spool.sqlite')
  let acknowledged = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const from = acknowledged
    const child = spawn(process.execPath, [PROGRAM, path, String(from)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const enough = from + 1 + Math.floor(Math.random() * 60)
    // What was said before the kill is still read after it.
    for await (const line of createInterface(child.stdout)) {
      acknowledged = JSON.parse(line).number + 1
      if (acknowledged >= enough) child.kill('SIGKILL')
    }
    expect(child.signalCode ?? (await once(child, 'exit'))[1]).toBe('SIGKILL')
  }

  const numbers = numbersIn(path)
  // What was written and not acknowledged before a kill is written again after it.
  const firstOnes = [...new Set(numbers)]
  expect(firstOnes).toEqual(Array.from(firstOnes, (_, index) => index))
  expect(firstOnes.length).toBeGreaterThanOrEqual(acknowledged)
  expect(acknowledged).toBeGreaterThanOrEqual(KILLS)
})

test.skipIf(!canLimitFiles)(
  'a spool whose disk is full refuses, keeps what it acknowledged, and goes on when it can',
  async () => {
    const path = join(temporaryFolder(), 'spool.sqlite')
    const child = spawnLimited(512, [PROGRAM, path, '0', 'careful'], process.env)
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const said = createInterface(child.stdout)[Symbol.asyncIterator]()
    const hear = async (): Promise<{ acknowledged: number; refusal: string | null }> =>
      JSON.parse(String((await said.next()).value))

    const full = await hear()
    expect(full.refusal).toMatch(/^store-unavailable: the spool cannot be written: /)
    expect(full.acknowledged).toBeGreaterThan(0)

    liftFileLimit(child.pid ?? 0)
    child.stdin.write('go on\n')
    expect(await hear()).toEqual({ acknowledged: 400, refusal: null })
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(numbersIn(path)).toEqual(Array.from({ length: 400 }, (_, index) => index))
  },
)
