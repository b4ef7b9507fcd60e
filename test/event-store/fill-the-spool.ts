/**
 * A program for tests: writes into the spool at the path it is given, and says of each event when it is durable, until it
 * is killed. Told to be `careful`, it stops when the spool refuses, says so, and writes the rest once it reads that it may.
 */
import { once } from 'node:events'
import { StoreError } from '../../src/event-store/event-store.ts'
import { Spool } from '../../src/event-store/spool/spool.ts'
import { streamOf, texted } from './texts.ts'

const AT_ONCE = 10
const ALL = 400

const [, , path = '', from = '0', mode] = process.argv
const spool = new Spool(path, 2 ** 30)
const say = (words: object): void => console.log(JSON.stringify(words))
let next = Number(from)

if (mode === 'careful') {
  let refusal = await writeTen()
  while (refusal === null) refusal = await writeTen()
  say({ acknowledged: next, refusal })
  await once(process.stdin, 'data')
  process.stdin.destroy()
  while (next < ALL && (await writeTen()) === null);
  say({ acknowledged: next, refusal: null })
  spool.close()
} else for (;;) await writeTen()

// What the first refusal among them said; null when all were taken, which are said one by one where it may be killed.
async function writeTen(): Promise<string | null> {
  const outcomes = await Promise.all(
    Array.from({ length: AT_ONCE }, async (_, index) => {
      const number = next + index
      try {
        await spool.enqueue(streamOf(`s_${number % 7}`), texted(number, undefined, 'x'.repeat(8_000)))
        if (mode !== 'careful') say({ number })
        return null
      } catch (error) {
        return error instanceof StoreError ? `${error.code}: ${error.message}` : String(error)
      }
    }),
  )
  const refusal = outcomes.find((outcome) => outcome !== null) ?? null
  if (refusal === null) next += AT_ONCE
  return refusal
}
