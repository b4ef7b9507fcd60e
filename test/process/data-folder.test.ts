import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DataFolder } from '../../src/data-folder.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const SINCE = '2026-03-01T10:00:00.000000Z'

test('a folder that is in use is refused, saying by whom since when', async () => {
  const path = temporaryFolder()
  const first = await DataFolder.open(path, SINCE, 0)
  await expect(DataFolder.open(path, '2027-01-01T00:00:00.000000Z', 200)).rejects.toMatchObject({
    code: 'data-folder-in-use',
    message: `data folder ${path} is in use by process ${process.pid} on ${hostname()} since ${SINCE}`,
  })
  first.close()
})

test('a folder that is let go while one waits for it is taken', async () => {
  const path = temporaryFolder()
  const first = await DataFolder.open(path, SINCE, 0)
  const waiting = DataFolder.open(path, SINCE, 30_000)
  first.close()
  ;(await waiting).close()
})

test('a folder keeps its id for ever, and no two have the same', async () => {
  const path = temporaryFolder()
  const writers: string[] = []
  for (const folder of [path, path, temporaryFolder()]) {
    const open = await DataFolder.open(folder, SINCE, 0)
    writers.push(open.writer)
    open.close()
  }
  expect(writers[0]).toBe(writers[1])
  expect(writers[2]).not.toBe(writers[0])
})

test('a folder whose id is damaged is refused, not given another one', async () => {
  const path = temporaryFolder()
  writeFileSync(join(path, 'folder.json'), '{"writer":"17"}')
  await expect(DataFolder.open(path, SINCE, 0)).rejects.toMatchObject({ code: 'data-folder-unusable' })
  writeFileSync(join(path, 'folder.json'), '')
  await expect(DataFolder.open(path, SINCE, 0)).rejects.toMatchObject({ code: 'data-folder-unusable' })
})
