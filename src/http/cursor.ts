import type * as z from 'zod'
import { Refusal } from './problems.ts'

/** Where the next page of a list begins: opaque text to callers, the last item's key here. */
export function encodeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** The key in a cursor, null where there is none. Throws a `Refusal` for text that no list gave. */
export function decodeCursor<Key>(cursor: string | undefined, schema: z.ZodType<Key>): Key | null {
  if (cursor === undefined) return null
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
  } catch {
    throw unknownCursor()
  }
}

export function unknownCursor(): Refusal {
  return new Refusal('bad-parameter', 'cursor: not one that this list gave')
}

/** Cuts a list that was read one item too long: that there is one more is how a next page is known. */
export function pageOf<Item>(
  found: readonly Item[],
  limit: number,
  keyOf: (item: Item) => readonly (string | number)[],
): { items: Item[]; next: string | null } {
  const items = found.slice(0, limit)
  const last = items.at(-1)
  return { items, next: found.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null }
}
