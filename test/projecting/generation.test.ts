import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { EventStore } from '../../src/event-store/event-store.ts'
import { streams } from '../../src/ledger/event.ts'
import { ForeignGeneration } from '../../src/projecting/generation.ts'
import { openGenerations } from '../../src/projecting/opening.ts'
import { changeDatabase } from '../change-database.ts'
import { message, placeBody, SHOP } from '../ledger/deliveries.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { notebook, openLog, project, rowsOf } from './doubles.ts'

async function someLog(folder: string): Promise<EventStore> {
  const store = await openLog(folder)
  for (let number = 0; number < 20; number++) {
    const { event } = placeBody(message('2026-03-01T10:00:00', { id: `im_${number}` }))
    await store.append(streams.subscriber(SHOP, `s_${number % 3}`), event)
  }
  return store
}

/** Projects all of the log with a notebook, and stops: the file that it leaves. */
async function build(store: EventStore, folder: string, version = 1): Promise<string> {
  const { generations, last, stop } = await project(
    store,
    folder,
    notebook('notes', () => {}, version),
  )
  const head = await store.head()
  await vi.waitFor(() => expect(last('notes')?.checkpoint).toBe(head))
  await stop()
  return generations.get('notes')?.path ?? ''
}

test('a generation goes on from its checkpoint', async () => {
  const folder = temporaryFolder()
  const store = await someLog(folder)
  const path = await build(store, folder)
  const { event } = placeBody(message('2026-03-01T10:00:00', { id: 'im_last' }))
  await store.append(streams.subscriber(SHOP, 's_0'), event)
  expect(await build(store, folder)).toBe(path)
  expect(rowsOf(path)['note']).toHaveLength(21)
})

test('a generation that was built from another log is refused, saying what to do, and left alone', async () => {
  const folder = temporaryFolder()
  const store = await someLog(folder)
  const path = await build(store, folder)
  const open = () => openGenerations(folder, notebook('notes'), 'another-log', false)
  expect(open).toThrow(ForeignGeneration)
  expect(open).toThrow(`${join(folder, 'notes')} was built from another log: delete it`)
  expect(rowsOf(path)['note']).toHaveLength(20)
})

const damage: Record<string, (path: string) => void> = {
  'is words': (path) => writeFileSync(path, 'Dear diary,\n'.repeat(2000)),
  'is empty': (path) => writeFileSync(path, ''),
  'is of a newer release': (path) => changeDatabase(path, 'PRAGMA user_version = 99'),
  'is another kind of database': (path) => changeDatabase(path, 'PRAGMA application_id = 7'),
  'has lost its tables': (path) => changeDatabase(path, 'DROP TABLE note'),
  'does not say which build it is': (path) => changeDatabase(path, 'DROP TABLE generation'),
}

test.each(Object.keys(damage))('a generation that %s is not served but built anew', async (what) => {
  const folder = temporaryFolder()
  const store = await someLog(folder)
  const path = await build(store, folder)
  const rows = rowsOf(path)
  damage[what]?.(path)
  expect(rowsOf(await build(store, folder))).toEqual(rows)
})

test('a half-built generation without its row is begun again', async () => {
  const folder = temporaryFolder()
  const store = await someLog(folder)
  const path = await build(store, folder)
  changeDatabase(path, 'DELETE FROM generation; DROP TABLE note; DELETE FROM parked')
  const again = await build(store, folder)
  expect(rowsOf(again)['note']).toHaveLength(20)
})
