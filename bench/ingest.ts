/**
 * How fast deliveries are taken, as ratios within one run: the ledger against a bare Fastify route that parses the same
 * bodies, and against one that inserts them into PostgreSQL, a row a request. The load comes from one more process on the
 * same cores.
 *
 * `npm run bench -- [rounds] [seconds]`
 */
import { cpus } from 'node:os'
import { contest, describe, median } from './contest.ts'
import { startPostgres } from './postgres.ts'

const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 8)

const postgres = await startPostgres()
try {
  const results = await contest(
    [
      { name: 'bare Fastify route', args: ['bench/contenders.ts', 'bare'] },
      { name: 'ledger', args: ['bin/ledger.js', 'start'] },
      ...(postgres === null
        ? []
        : [
            {
              name: 'Fastify, one insert a request',
              args: ['bench/contenders.ts', 'postgres', postgres.url],
            },
          ]),
    ],
    { rounds, seconds },
  )
  console.log(`\n${cpus().length} cores, 64 connections, ${rounds} rounds of ${seconds} s, medians`)
  for (const [name, rounds] of results) console.log(describe(name, rounds))

  const of = (name: string) => results.get(name) ?? []
  const rate = (name: string) => median(of(name), ({ perSecond }) => perSecond)
  console.log(
    `\nledger / bare route        ${(rate('ledger') / rate('bare Fastify route')).toFixed(2)}   (wanted: 0.5)`,
  )
  if (postgres === null)
    console.log(
      'ledger / PostgreSQL        not measured: none is installed, and BENCH_POSTGRES_URL is not set',
    )
  else {
    const ratio = rate('ledger') / rate('Fastify, one insert a request')
    console.log(`ledger / PostgreSQL        ${ratio.toFixed(2)}   (wanted: 2.5)`)
  }
  const readyMs = median(of('ledger'), (result) => result.readyMs)
  console.log(`ready on an empty folder   ${readyMs.toFixed(0)} ms   (wanted: 500)`)
} finally {
  await postgres?.stop()
}

if (process.env['BENCH_EVENTSTOREDB_URL'] === undefined)
  console.log('\nEventStoreDB               not measured: BENCH_EVENTSTOREDB_URL is not set')
else await import('./eventstoredb.ts')
