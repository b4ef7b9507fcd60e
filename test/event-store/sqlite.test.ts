import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { SqliteEventStore } from '../../src/event-store/sqlite/sqlite-store.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { describeEventStore } from './contract.ts'

describeEventStore('the embedded log', async () => {
  const path = join(temporaryFolder(), 'log.sqlite')
  const open = () => SqliteEventStore.open({ path, writer: 'folder-1' })
  let store = await open()
  onTestFinished(() => store.close())
  const reopen = async () => {
    await store.close()
    store = await open()
    return store
  }
  return { store, reopen }
})
