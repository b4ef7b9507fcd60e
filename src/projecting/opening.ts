import { mkdirSync } from 'node:fs'
import { Generation } from './generation.ts'
import {
  buildingNumbers,
  deleteGeneration,
  highestNumber,
  homeOf,
  isDamageOnOpening,
  isHeldBuild,
  wholeNumbers,
} from './generation-file.ts'
import type { AnyProjection } from './projection.ts'

/** Why a generation has to be built though nobody asked for it. */
export interface Wanted {
  readonly reason: string
  /** Whether it is not to be read until somebody says so. */
  readonly held: boolean
}

export interface OpenedGenerations {
  /** The one that is read and, where there is another, behind it the one that will take over; none where none is usable. */
  readonly generations: readonly Generation[]
  readonly wanted: Wanted | null
  /** The highest number that any has had. */
  readonly highest: number
}

/**
 * Opens what there is of a projection when the ledger starts: whole generations that the present projection can read.
 * Others are deleted, but for one that was being built: it is how a wish outlives a crash. In a log that is known to be
 * empty, a generation is whole at once. Throws `ForeignGeneration`.
 */
export function openGenerations(
  folder: string,
  projection: AnyProjection,
  log: string | null,
  isEmpty: boolean,
): OpenedGenerations {
  const home = homeOf(folder, projection.name)
  mkdirSync(home, { recursive: true })
  const highest = highestNumber(home)
  const unusable: string[] = []
  const usable = wholeNumbers(home).flatMap((number) => {
    try {
      return [Generation.open(folder, projection, number, log)]
    } catch (error) {
      if (!isDamageOnOpening(error)) throw error
      unusable.push(error instanceof Error ? error.message : '')
      deleteGeneration(home, number)
      return []
    }
  })
  const generations = keepTwo(usable)
  const unfinished = buildingNumbers(home).at(-1)
  if (isEmpty && generations.length === 0) {
    if (unfinished !== undefined) deleteGeneration(home, unfinished)
    return { generations: [Generation.make(folder, projection, log)], wanted: null, highest }
  }
  return { generations, wanted: wantedOf(home, projection, generations, unfinished, unusable), highest }
}

// The newest, and the one before where the newest is not to be read yet: it is held, or still behind the other.
function keepTwo(usable: readonly Generation[]): Generation[] {
  const [newest, before, ...rest] = usable.toReversed()
  for (const generation of rest) generation.discard()
  if (newest === undefined) return []
  if (before === undefined) {
    // There is nothing else to read.
    newest.release()
    return [newest]
  }
  if (newest.held || (newest.checkpoint ?? '') < (before.checkpoint ?? '')) return [before, newest]
  before.discard()
  return [newest]
}

function wantedOf(
  home: string,
  { version }: AnyProjection,
  generations: readonly Generation[],
  unfinished: number | undefined,
  unusable: readonly string[],
): Wanted | null {
  const newest = generations.at(-1)
  if (unfinished !== undefined)
    return { reason: 'its rebuild was not finished', held: isHeldBuild(home, unfinished) }
  if (unusable.length > 0) return { reason: unusable.join('; '), held: false }
  if (newest === undefined) return { reason: 'there is none yet', held: false }
  if (newest.version !== version)
    return { reason: `it is of version ${newest.version}, the projection of version ${version}`, held: false }
  return null
}
