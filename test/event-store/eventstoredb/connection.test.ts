import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

const CONNECTION = new URL('../../../src/event-store/eventstoredb/connection.ts', import.meta.url).href

/** A process with a connection, in which a promise fails that nobody catches. */
function processWith(failure: string) {
  const script = `
    import { Connection } from '${CONNECTION}'
    new Connection({ url: 'esdb://127.0.0.1:1?tls=false' })
    new Connection({ url: 'esdb://127.0.0.1:2?tls=false' })
    Promise.reject(${failure})
    setTimeout(() => { console.log('alive'); process.exit(0) }, 20)`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
}

test.each([
  "new Error('Failed to discover after 10 attempts.')",
  "Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'gone' })",
])('a failure that the client lets nobody catch does not end the process: %s', (failure) => {
  expect(processWith(failure)).toMatchObject({ stdout: 'alive\n', status: 0 })
})

test("any other promise that fails uncaught ends it, as without EventStoreDB's client", () => {
  const { status, stderr } = processWith("new TypeError('a mistake')")
  expect(status).not.toBe(0)
  expect(stderr).toContain('a mistake')
})
