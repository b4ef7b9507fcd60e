import type { Position } from '../../ledger/event.ts'

const WIDTH = 16

/** The text of a row's number: of one width, so that text order is log order. */
export function positionOf(row: number): Position {
  return String(row).padStart(WIDTH, '0')
}

/** The row's number, 0 for the place before the first event. */
export function rowOf(position: Position | null): number {
  return position === null ? 0 : Number(position)
}

export function isPosition(text: string): text is Position {
  return /^\d{16}$/.test(text)
}

export const START: Position = positionOf(0)
