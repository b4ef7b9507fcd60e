import type { Position } from '../../ledger/event.ts'

/** A place in `$all`, in bytes from its beginning: far below what a double holds exactly. */
export interface Place {
  readonly commit: number
  readonly prepare: number
}

const WIDTH = 16

/** The text of a place in `$all`: both numbers in one width, so that text order is log order. */
export function positionOf({ commit, prepare }: Place): Position {
  return `${hex(commit)}-${hex(prepare)}`
}

/** The place in `$all` that `position` is the text of. */
export function placeOf(position: Position): Place {
  const [commit = '', prepare = ''] = position.split('-')
  return { commit: Number.parseInt(commit, 16), prepare: Number.parseInt(prepare, 16) }
}

export function isPosition(text: string): text is Position {
  return /^[0-9a-f]{16}-[0-9a-f]{16}$/.test(text)
}

export const START: Position = positionOf({ commit: 0, prepare: 0 })

function hex(number: number): string {
  return number.toString(16).padStart(WIDTH, '0')
}
