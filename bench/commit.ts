/**
 * Where the log is best committed: on a thread of its own, or on the one that serves HTTP, a batch a turn of its event
 * loop. Both behind the ledger's own route, without projections.
 *
 * `npm run bench:commit -- [rounds] [seconds]`
 */
import { cpus } from 'node:os'
import { contest, describe } from './contest.ts'

const rounds = Number(process.argv[2] ?? 5)
const seconds = Number(process.argv[3] ?? 8)

const results = await contest(
  ['writer-thread', 'callers-thread'].map((name) => ({ name, args: ['bench/contenders.ts', name] })),
  { rounds, seconds },
)
console.log(`\n${cpus().length} cores, 64 connections, ${rounds} rounds of ${seconds} s, medians`)
for (const [name, rounds] of results) console.log(describe(name, rounds))
