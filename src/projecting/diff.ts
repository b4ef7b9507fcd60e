import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay, setImmediate as otherWork } from 'node:timers/promises'
import type { Position } from '../ledger/event.ts'
import { ROWS_IN_A_GO } from './digest.ts'
import { GenerationReader } from './generation-reader.ts'
import { compareValues, type Pair, paired } from './pairs.ts'
import type { AnyProjection, Subjects } from './projection.ts'
import { prepared } from './rows.ts'

/** What would change if one generation were read instead of another; both as they are at `position`. */
export interface Diff {
  readonly position: Position | null
  readonly counts: {
    /** How many there are, in either of the two. */
    readonly subjects: number
    readonly changed: number
    readonly added: number
    readonly removed: number
  }
  /** The first hundred, by shop and subscriber. */
  readonly changes: readonly Change[]
}

export interface Change {
  readonly shopId: string
  /** Null where no subscriber is concerned. */
  readonly subscriberId: string | null
  /** What is said of it; of a list, the first twenty entries that differ. Null where nothing is. */
  readonly before: object | readonly object[] | null
  readonly after: object | readonly object[] | null
}

/** The two are not at the same position, and would not meet. */
export class GenerationsApart extends Error {
  override name = 'GenerationsApart'
  readonly code = 'generations-apart'
}

/** The projection does not say of whom it says what. */
export class NoSubjects extends Error {
  override name = 'NoSubjects'
  readonly code = 'no-subjects'
}

const CHANGES = 100
const ENTRIES = 20

/** Both are fed in the same rounds, but one after the other: one that is caught between them is asked again. */
const TRIES = { most: 200, everyMs: 25 }

/**
 * Compares two generations of a projection as today's code reads them. Rejects with `SchemasDiffer` where it can't read
 * one of them, with `GenerationsApart`, with `NoSubjects`, and where `signal` aborts.
 */
export async function diffOf(
  paths: { readonly before: string; readonly after: string },
  { name, subjects }: AnyProjection,
  signal: AbortSignal,
): Promise<Diff> {
  if (subjects === undefined) throw new NoSubjects(`${name}: does not say what a change would be of`)
  const before = new GenerationReader(paths.before)
  try {
    const after = new GenerationReader(paths.after)
    try {
      const position = await snapshotsAtOnePosition(before, after, signal)
      return { position, ...(await diffRows(before.db, after.db, subjects, signal)) }
    } finally {
      after.close()
    }
  } finally {
    before.close()
  }
}

// Leaves both in a transaction.
async function snapshotsAtOnePosition(
  before: GenerationReader,
  after: GenerationReader,
  signal: AbortSignal,
): Promise<Position | null> {
  for (let tried = 1; ; tried++) {
    for (const { db } of [before, after]) db.exec('BEGIN')
    const position = before.checkpoint()
    if (after.checkpoint() === position) return position
    for (const { db } of [before, after]) db.exec('COMMIT')
    if (tried === TRIES.most)
      throw new GenerationsApart('the two generations are not at the same position: try again')
    await delay(TRIES.everyMs, undefined, { signal })
  }
}

async function diffRows(
  before: DatabaseSync,
  after: DatabaseSync,
  subjects: Subjects,
  signal: AbortSignal,
): Promise<Omit<Diff, 'position'>> {
  const found = new Findings(subjects.isList)
  let walked = 0
  for (const pair of paired(partsOf(before, subjects), partsOf(after, subjects), comparePlaces)) {
    found.add(pair)
    if (++walked % ROWS_IN_A_GO === 0) await otherWork(undefined, { signal })
  }
  return found.end()
}

interface Part {
  readonly shopId: string
  readonly subscriberId: string | null
  readonly part: string
  readonly said: string
}

function* partsOf(db: DatabaseSync, { sql }: Subjects): Generator<Part> {
  for (const { shop_id, subscriber_id, part, said } of prepared(db, sql).iterate())
    yield {
      shopId: String(shop_id),
      subscriberId: subscriber_id === null ? null : String(subscriber_id),
      part: String(part),
      said: String(said),
    }
}

function comparePlaces(a: Part, b: Part): number {
  return (
    compareValues(a.shopId, b.shopId) ||
    compareValues(a.subscriberId, b.subscriberId) ||
    compareValues(a.part, b.part)
  )
}

/** One subject, as far as it has been walked. */
interface Subject {
  readonly first: Part
  isBefore: boolean
  isAfter: boolean
  isChanged: boolean
  /** What is said in one and not in the other, as JSON. */
  readonly before: string[]
  readonly after: string[]
}

class Findings {
  readonly #isList: boolean
  readonly #counts = { subjects: 0, changed: 0, added: 0, removed: 0 }
  readonly #changes: Change[] = []
  #subject: Subject | null = null

  constructor(isList: boolean) {
    this.#isList = isList
  }

  add(pair: Pair<Part>): void {
    const subject = this.#subjectOf(pair.before ?? pair.after)
    if (pair.before !== null) subject.isBefore = true
    if (pair.after !== null) subject.isAfter = true
    if (pair.before?.said === pair.after?.said) return
    subject.isChanged = true
    if (pair.before !== null && subject.before.length < ENTRIES) subject.before.push(pair.before.said)
    if (pair.after !== null && subject.after.length < ENTRIES) subject.after.push(pair.after.said)
  }

  end(): Omit<Diff, 'position'> {
    this.#count()
    return { counts: this.#counts, changes: this.#changes }
  }

  #subjectOf(part: Part): Subject {
    const now = this.#subject
    if (now !== null && isSameSubject(now.first, part)) return now
    this.#count()
    const none = { isBefore: false, isAfter: false, isChanged: false }
    this.#subject = { first: part, ...none, before: [], after: [] }
    return this.#subject
  }

  // All of the present one has been walked.
  #count(): void {
    const subject = this.#subject
    if (subject === null) return
    this.#counts.subjects++
    if (!subject.isChanged) return
    const { isBefore, isAfter } = subject
    this.#counts[isBefore && isAfter ? 'changed' : isAfter ? 'added' : 'removed']++
    if (this.#changes.length === CHANGES) return
    const { shopId, subscriberId } = subject.first
    const before = isBefore ? this.#shown(subject.before) : null
    this.#changes.push({ shopId, subscriberId, before, after: isAfter ? this.#shown(subject.after) : null })
  }

  #shown(said: readonly string[]): Change['before'] {
    const shown = said.map((text): object => JSON.parse(text))
    return this.#isList ? shown : (shown[0] ?? null)
  }
}

// What concerns no subscriber is a subject by itself.
function isSameSubject(a: Part, b: Part): boolean {
  if (a.shopId !== b.shopId || a.subscriberId !== b.subscriberId) return false
  return a.subscriberId !== null || a.part === b.part
}
