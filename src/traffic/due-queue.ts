export interface Due {
  /** Virtual milliseconds since the story's start. */
  readonly dueMs: number
}

interface Waiting<T> {
  readonly item: T
  readonly order: number
}

/** What is still to come, soonest first; what is due at the same time leaves in the order in which it came. */
export class DueQueue<T extends Due> {
  // A binary heap: the queue holds an hour of traffic at most, but every delivery passes through it.
  readonly #heap: Waiting<T>[] = []
  #pushed = 0

  get size(): number {
    return this.#heap.length
  }

  push(item: T): void {
    const entry = { item, order: this.#pushed++ }
    let index = this.#heap.length
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = this.#heap[parentIndex]
      if (parent === undefined || before(parent, entry)) break
      this.#heap[index] = parent
      index = parentIndex
    }
    this.#heap[index] = entry
  }

  /** The soonest item, if it is due by then. */
  takeDueBy(dueMs: number): T | undefined {
    const first = this.#heap[0]
    if (first === undefined || first.item.dueMs > dueMs) return undefined
    const last = this.#heap.pop()
    if (last !== undefined && last !== first) this.#sink(last)
    return first.item
  }

  #sink(entry: Waiting<T>): void {
    let index = 0
    for (;;) {
      let childIndex = 2 * index + 1
      let child = this.#heap[childIndex]
      const right = this.#heap[childIndex + 1]
      if (child === undefined) break
      if (right !== undefined && before(right, child)) {
        child = right
        childIndex++
      }
      if (before(entry, child)) break
      this.#heap[index] = child
      index = childIndex
    }
    this.#heap[index] = entry
  }
}

function before<T extends Due>(one: Waiting<T>, other: Waiting<T>): boolean {
  return one.item.dueMs === other.item.dueMs ? one.order < other.order : one.item.dueMs < other.item.dueMs
}
