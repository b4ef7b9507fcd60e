import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Builds } from '../../src/projecting/builds.ts'
import { message, placeBody } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { openLog } from './doubles.ts'

test('a build that needs more memory than it was given is begun again with more', async () => {
  const folder = temporaryFolder()
  const log = await openLog(folder)
  const telling = Array.from({ length: 400 }, (_, number) => {
    const body = `${number} `.repeat(10_000)
    const { stream, event } = placeBody(message('2026-03-01T10:00:00', { id: `im_${number}`, body }))
    return log.append(stream, event)
  })
  await Promise.all(telling)
  const built: string[] = []
  const data = {
    location: { engine: 'sqlite', path: join(folder, 'log.sqlite') },
    folder: join(folder, 'projections'),
  } as const
  const builds = new Builds(data, (name) => built.push(name), 16)
  onTestFinished(() => builds.close())
  builds.begin('message-timeline', { held: false })
  await vi.waitFor(() => expect(built).toEqual(['message-timeline']), { timeout: 30_000, interval: 20 })
  // The first number went to a build that failed, without a trace.
  const files = readdirSync(join(folder, 'projections', 'message-timeline'))
  expect(files).toEqual([expect.stringMatching(/^00000[2-9]\.sqlite$/)])
})
