import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'

export interface RealServer {
  readonly url: string
  stop(): Promise<void>
}

const IMAGE = 'eventstore/eventstore:23.10.8-bookworm-slim'
const PORT = 2113

/** The server of `EVENTSTOREDB_TEST_URL`, else one in a container where an engine runs; else null, saying so in a line. */
export async function realServer(): Promise<RealServer | null> {
  const url = process.env['EVENTSTOREDB_TEST_URL']
  if (url !== undefined) return { url, stop: async () => {} }
  try {
    await getContainerRuntimeClient()
  } catch {
    console.log('skipped on a real EventStoreDB: no EVENTSTOREDB_TEST_URL, and no container engine runs')
    return null
  }
  const container = await new GenericContainer(IMAGE)
    .withCommand(['--insecure', '--mem-db', '--run-projections=None'])
    .withExposedPorts(PORT)
    .withWaitStrategy(Wait.forHttp('/health/live', PORT).forStatusCode(204))
    .start()
  return {
    url: `esdb://${container.getHost()}:${container.getMappedPort(PORT)}?tls=false`,
    stop: async () => {
      await container.stop()
    },
  }
}
