import { afterAll } from 'vitest'
import { describeEventStore } from '../contract.ts'
import { realServer } from './real-server.ts'
import { aNamespace, openStore, startDouble } from './stores.ts'

const contract = (name: string, serverUrl: () => Promise<string>) =>
  describeEventStore(name, async () => {
    const url = await serverUrl()
    const namespace = aNamespace()
    // As patient as in production: what is asked for here is asked of a server that is well.
    const open = () => openStore(url, { namespace, silentMs: 5_000 })
    let store = open()
    const reopen = async () => {
      await store.close()
      store = open()
      return store
    }
    return { store, reopen }
  })

contract('the double of EventStoreDB', async () => (await startDouble()).url)

const server = await realServer()
afterAll(() => server?.stop())
if (server !== null) contract('a real EventStoreDB', async () => server.url)
