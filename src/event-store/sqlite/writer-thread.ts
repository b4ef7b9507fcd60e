/** The thread that commits: each batch that it is sent is one transaction. */
import { parentPort } from 'node:worker_threads'
import { systemClock } from '../../clock.ts'
import { type Append, SqliteAppender } from './appender.ts'
import { Wake } from './wake.ts'

/** What the writer is told first: which log to open, and the data folder's id. */
export interface WriterData {
  readonly path: string
  readonly writer: string
}

/** What the writer is asked then. `probe` says whether anything can be written. */
export type WriterRequest =
  | { readonly appends: readonly Append[] }
  | { readonly probe: number }
  | { readonly close: true }

/**
 * What it answers, in the order in which it was asked: for each append three numbers, 1 for a duplicate or else 0,
 * revision and position; or the error that the whole transaction met.
 */
export type WriterAnswer =
  | { readonly opened: string }
  | { readonly appended: Float64Array }
  | { readonly failed: number; readonly error: string }
  | { readonly probed: number; readonly error: string | null }

const port = parentPort
if (port === null) throw new Error('runs as a worker thread')
const { path, writer } = await new Promise<WriterData>((resolve) => port.once('message', resolve))
const appender = new SqliteAppender(path, writer, systemClock())
const wake = new Wake(appender.logId)
const answer = (message: WriterAnswer): void => port.postMessage(message)

function commit(appends: readonly Append[]): void {
  try {
    const results = appender.append(appends)
    const appended = new Float64Array(results.length * 3)
    results.forEach(({ duplicate, revision, position }, index) => {
      appended.set([duplicate ? 1 : 0, revision, position], index * 3)
    })
    answer({ appended })
    wake.ring()
  } catch (error) {
    answer({ failed: appends.length, error: messageOf(error) })
  }
}

function probe(number: number): void {
  let error: string | null = null
  try {
    appender.probe()
  } catch (cause) {
    error = messageOf(cause)
  }
  answer({ probed: number, error })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

port.on('message', (request: WriterRequest) => {
  if ('appends' in request) commit(request.appends)
  else if ('probe' in request) probe(request.probe)
  else {
    wake.close()
    appender.close()
    port.close()
  }
})

answer({ opened: appender.logId })
