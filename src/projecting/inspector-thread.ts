/** The thread that reads whole generations, so that neither HTTP nor the projector waits for millions of rows. */

import { parentPort } from 'node:worker_threads'
import { findProjectionName, projections } from '../../projections/index.ts'
import { type Diff, diffOf } from './diff.ts'
import { type Digest, digestOf } from './digest.ts'
import { GenerationReader } from './generation-reader.ts'
import type { AnyProjection } from './projection.ts'

/** What it is asked. */
export type Question =
  /** Of a generation's file; `stamp` is of the digest that is known, null where none is. */
  | { readonly digest: { readonly path: string; readonly stamp: string | null } }
  | { readonly diff: { readonly before: string; readonly after: string } }

/** What it is told. */
export type InspectorOrder =
  | { readonly id: number; readonly question: Question }
  | { readonly cancel: number }
  | 'stop'

/** A digest with what it is good for: as long as a file's stamp is this one, so is its digest. */
export interface StampedDigest extends Digest {
  readonly stamp: string
}

/** What it answers; `unchanged` where the digest that is known is still good. */
export type InspectorAnswer =
  | { readonly id: number; readonly digest: StampedDigest | 'unchanged' }
  | { readonly id: number; readonly diff: Diff }
  | { readonly id: number; readonly failed: { readonly code: string; readonly message: string } }

const port = parentPort
if (port === null) throw new Error('runs as a worker thread')
const answer = (message: InspectorAnswer): void => port.postMessage(message)
const underWay = new Map<number, AbortController>()

port.on('message', (order: InspectorOrder) => {
  if (order === 'stop') {
    for (const abort of underWay.values()) abort.abort()
    port.close()
  } else if ('cancel' in order) underWay.get(order.cancel)?.abort()
  else void inspect(order.id, order.question)
})

async function inspect(id: number, question: Question): Promise<void> {
  const abort = new AbortController()
  underWay.set(id, abort)
  try {
    if ('diff' in question) answer({ id, diff: await diff(question.diff, abort.signal) })
    else answer({ id, digest: await digest(question.digest, abort.signal) })
  } catch (error) {
    answer({ id, failed: failureOf(error) })
  } finally {
    underWay.delete(id)
  }
}

function diff(paths: { before: string; after: string }, signal: AbortSignal): Promise<Diff> {
  return diffOf(paths, look(paths.after).projection, signal)
}

// The stamp is read first: what comes in between is in the digest, and the next stamp is another.
async function digest(
  { path, stamp: before }: { path: string; stamp: string | null },
  signal: AbortSignal,
): Promise<StampedDigest | 'unchanged'> {
  const { projection, stamp } = look(path)
  if (stamp === before) return 'unchanged'
  return { ...(await digestOf(path, projection, signal)), stamp }
}

/** Which projection a file is of, and what changes whenever its rows do: a retry moves no checkpoint. */
function look(path: string): { projection: AnyProjection; stamp: string } {
  const generation = new GenerationReader(path)
  try {
    generation.db.exec('BEGIN')
    const { projection, started_at } =
      generation.db.prepare('SELECT projection, started_at FROM generation').get() ?? {}
    const name = findProjectionName(String(projection))
    if (name === undefined) throw new Error(`${path}: of a projection that is not known`)
    const parked = generation.db.prepare('SELECT count(*), sum(waiting), sum(revision) FROM parked').get()
    const stamp = [started_at, generation.checkpoint(), ...Object.values(parked ?? {})]
    return { projection: projections[name], stamp: JSON.stringify(stamp) }
  } finally {
    generation.close()
  }
}

// SQLite's messages tell of files and pages, never of what is in them; so do those that have a code.
function failureOf(error: unknown): { code: string; message: string } {
  if (!(error instanceof Error)) return { code: 'unknown', message: 'unknown' }
  if (error.name === 'AbortError') return { code: 'given-up', message: 'it was given up' }
  if ('code' in error) return { code: String(error.code), message: error.message }
  return { code: 'unknown', message: error.name }
}
