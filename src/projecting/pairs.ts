/** What has the same place in two ordered sequences; null where one of them has nothing there. */
export type Pair<T> =
  | { readonly before: T; readonly after: T }
  | { readonly before: T; readonly after: null }
  | { readonly before: null; readonly after: T }

/** Walks two sequences abreast. Both are in the order that `compare` tells, and have nothing twice. */
export function* paired<T extends NonNullable<unknown>>(
  before: Iterable<T>,
  after: Iterable<T>,
  compare: (a: T, b: T) => number,
): Generator<Pair<T>> {
  const [olds, news] = [Iterator.from(before), Iterator.from(after)]
  try {
    let [old, fresh] = [nextOf(olds), nextOf(news)]
    while (old !== null || fresh !== null) {
      const order = old === null ? 1 : fresh === null ? -1 : compare(old, fresh)
      if (old !== null && fresh !== null && order === 0) yield { before: old, after: fresh }
      else if (old !== null && order < 0) yield { before: old, after: null }
      else if (fresh !== null) yield { before: null, after: fresh }
      if (order <= 0) old = nextOf(olds)
      if (order >= 0) fresh = nextOf(news)
    }
  } finally {
    olds.return?.()
    news.return?.()
  }
}

/** The order of SQLite: null, then numbers, then texts by their bytes. */
export function compareValues(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return rankOf(a) - rankOf(b)
}

function nextOf<T>(iterator: Iterator<T>): T | null {
  const { done, value } = iterator.next()
  return done === true ? null : value
}

function rankOf(value: unknown): number {
  return typeof value === 'string' ? 2 : typeof value === 'number' ? 1 : 0
}
