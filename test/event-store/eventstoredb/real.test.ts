import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { EventStoreDbStore } from '../../../src/event-store/eventstoredb/eventstoredb-store.ts'
import { describeEventStore } from '../contract.ts'

const url = process.env['EVENTSTOREDB_TEST_URL']
if (url !== undefined)
  describeEventStore('EventStoreDB', async () => {
    const namespace = `test-${randomUUID()}.`
    const open = () =>
      new EventStoreDbStore({
        url: url ?? '',
        namespace,
        writer: 'folder-1',
        clock: systemClock(),
        expectedId: null,
        pause: (milliseconds) => delay(milliseconds),
      })
    let store = open()
    onTestFinished(() => store.close())
    const reopen = async () => {
      await store.close()
      store = open()
      return store
    }
    return { store, reopen }
  })
