import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { urlMistake } from '../../src/event-store/eventstoredb/url.ts'

const file = readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8').replaceAll(
  /^\s*#.*\n/gm,
  '',
)
// Read as text: indented by two spaces, and without anchors, it needs no more.
const sections = new Map(block(file, 0))
const services = new Map(block(sections.get('services') ?? '', 2))
const eventstore = services.get('eventstore') ?? ''
const ledger = services.get('ledger') ?? ''

function block(text: string, indent: number): [string, string][] {
  return text.split(new RegExp(`^ {${indent}}(?=[a-z])`, 'm')).flatMap((part) => {
    const [, name, rest] = /^([a-z_-]+):(.*)$/s.exec(part) ?? []
    return name === undefined || rest === undefined ? [] : [[name, rest]]
  })
}

describe('docker-compose.yml', () => {
  test('runs an EventStoreDB and the ledger', () => {
    expect([...services.keys()]).toEqual(['eventstore', 'ledger'])
    expect(ledger).toContain('build: .')
  })

  test('pins the EventStoreDB to one release, 23.10 or later', () => {
    const [, year, month] = /image: eventstore\/eventstore:(\d+)\.(\d+)\.\d+-\S+\n/.exec(eventstore) ?? []
    expect(Number(year) * 100 + Number(month)).toBeGreaterThanOrEqual(2310)
  })

  test('is reached from this machine alone, since its EventStoreDB lets everybody do everything', () => {
    expect(eventstore).toContain('EVENTSTORE_INSECURE: "true"')
    const published = [...services.values()].flatMap((service) =>
      [...(block(service, 4).find(([name]) => name === 'ports')?.[1] ?? '').matchAll(/- (.*)\n/g)].map(
        ([, port]) => port,
      ),
    )
    expect(published).toEqual(['"127.0.0.1:2113:2113"', '"127.0.0.1:3000:3000"'])
    expect(file).not.toMatch(/network_mode|networks:/)
  })

  test('has no projections but those of the ledger', () => {
    expect(eventstore).toContain('EVENTSTORE_RUN_PROJECTIONS: "None"')
  })

  test('keeps events and spool in volumes with names, which a new container finds again', () => {
    expect(eventstore).toContain('- eventstore-data:/var/lib/eventstore\n')
    expect(ledger).toContain('- ledger-data:/data\n')
    expect(block(sections.get('volumes') ?? '', 2).map(([name]) => name)).toEqual(
      expect.arrayContaining(['eventstore-data', 'ledger-data']),
    )
  })

  test('gives the ledger an address that it takes', () => {
    const [, url = ''] = /EVENTSTOREDB_URL: "(.*)"\n/.exec(ledger) ?? []
    expect(url).toBe('esdb://eventstore:2113?tls=false')
    expect(urlMistake(url)).toBeNull()
  })

  test('starts the ledger when the EventStoreDB is ready', () => {
    expect(eventstore).toContain('"http://127.0.0.1:2113/health/live"')
    expect(ledger).toMatch(/eventstore:\n\s+condition: service_healthy\n/)
  })
})
