import type { Position as Place } from '@eventstore/db-client'
import type { Position } from '../../ledger/event.ts'

const WIDTH = 16

/** The text of a place in `$all`: both numbers in one width, so that text order is log order. */
export function positionOf({ commit, prepare }: Place): Position {
  return `${hex(commit)}-${hex(prepare)}`
}

/** The place in `$all` that `position` is the text of. */
export function placeOf(position: Position): Place {
  const [commit = '', prepare = ''] = position.split('-')
  return { commit: BigInt(`0x${commit}`), prepare: BigInt(`0x${prepare}`) }
}

export function isPosition(text: string): text is Position {
  return /^[0-9a-f]{16}-[0-9a-f]{16}$/.test(text)
}

export const START: Position = positionOf({ commit: 0n, prepare: 0n })

function hex(number: bigint): string {
  return number.toString(16).padStart(WIDTH, '0')
}
