import * as z from 'zod'
import { jsonIn } from '../ledger/json.ts'

/** How a projection of a running ledger stands; of that, what is needed here. */
const Projection = z.object({
  name: z.string(),
  generation: z.int().nullable(),
  state: z.string(),
  reason: z.string().nullable(),
  rebuild: z
    .object({
      handled: z.int(),
      total: z.int(),
      eventsPerSecond: z.number(),
      held: z.boolean(),
      problem: z.string().nullable(),
    })
    .nullable(),
})
export type Projection = z.infer<typeof Projection>

const Projections = z.object({ items: z.array(Projection) })
const Problem = z.object({ type: z.string(), detail: z.string() })

/** What a running ledger says to a request that it does not grant, or why it does not answer. */
export class RemoteRefusal extends Error {
  override name = 'RemoteRefusal'
  readonly code = 'ledger-refuses'
}

/** No answer, where there may be one in a moment. */
export class RemoteSilence extends Error {
  override name = 'RemoteSilence'
  readonly code = 'ledger-silent'
}

/** A running ledger, as it is asked from elsewhere. */
export class RemoteLedger {
  readonly #url: string
  readonly #key: string

  constructor(url: string, key: string) {
    this.#url = url.replace(/\/+$/, '')
    this.#key = key
  }

  /** Rejects with `RemoteRefusal` or `RemoteSilence`, as does the other. */
  async projections(): Promise<Projection[]> {
    const { status, body } = await this.#ask('GET', '/v1/projections')
    const found = Projections.safeParse(body)
    if (status !== 200 || !found.success) throw refusalOf(status, body)
    return found.data.items
  }

  /** Begins a rebuild; where one runs already, that is the one. */
  async rebuild(name: string): Promise<void> {
    const { status, body } = await this.#ask('POST', `/v1/projections/${encodeURIComponent(name)}/rebuild`)
    if (status !== 202 && status !== 409) throw refusalOf(status, body)
  }

  async #ask(method: string, path: string): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: `Bearer ${this.#key}` }
    try {
      const answer = await fetch(`${this.#url}${path}`, { method, headers })
      const text = await answer.text()
      return { status: answer.status, body: jsonIn(text) }
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
      throw new RemoteSilence(`${this.#url} does not answer${cause === '' ? '' : `: ${cause}`}`)
    }
  }
}

function refusalOf(status: number, body: unknown): RemoteRefusal | RemoteSilence {
  const problem = Problem.safeParse(body)
  const says = problem.success ? `${problem.data.type}: ${problem.data.detail}` : 'not in a ledger’s words'
  return status >= 500
    ? new RemoteSilence(`the ledger answers ${status}, ${says}`)
    : new RemoteRefusal(`the ledger answers ${status}, ${says}`)
}
