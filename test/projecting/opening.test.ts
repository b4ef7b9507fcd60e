import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Generation } from '../../src/projecting/generation.ts'
import { openGenerations } from '../../src/projecting/opening.ts'
import type { AnyProjection } from '../../src/projecting/projection.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { notebook } from './doubles.ts'

const LOG = 'log-1'
const notes = (version = 1) => notebook('notes', () => {}, version)
const otherTables: AnyProjection = { ...notes(2), schema: `${notes().schema}; CREATE TABLE more (x) STRICT` }

let folder: string
beforeEach(() => {
  folder = temporaryFolder()
})

/** What a start finds, closed again: the numbers of what is kept up, the one that is read first, and what is wanted. */
function start(projection: AnyProjection, isEmpty = false) {
  const { generations, wanted } = openGenerations(folder, projection, LOG, isEmpty)
  for (const generation of generations) generation.close()
  return { numbers: generations.map(({ number }) => number), wanted: wanted?.reason ?? null }
}

/** A generation that was built and, as far as it is told, handled so many events. */
function whole(projection: AnyProjection, { held = false } = {}): void {
  Generation.build(folder, projection, LOG, { held, startedAt: systemClock()() }).complete(0)
}

const files = () => readdirSync(join(folder, 'notes')).filter((name) => name.endsWith('.sqlite'))

test('of an empty log a generation is whole at once, of another one it has to be built', () => {
  expect(start(notes())).toEqual({ numbers: [], wanted: 'there is none yet' })
  expect(start(notes(), true)).toEqual({ numbers: [1], wanted: null })
  expect(start(notes())).toEqual({ numbers: [1], wanted: null })
})

test('a raised version is wanted, and the one before is read until it is there', () => {
  whole(notes())
  expect(start(notes(2))).toEqual({
    numbers: [1],
    wanted: 'it is of version 1, the projection of version 2',
  })
  whole(notes(2))
  expect(start(notes(2))).toEqual({ numbers: [2], wanted: null })
  expect(files()).toEqual(['000002.sqlite'])
})

test('one with other tables is not read by code that does not know them', () => {
  whole(notes())
  expect(start(otherTables)).toMatchObject({
    numbers: [],
    wanted: expect.stringContaining('of other tables'),
  })
  expect(files()).toEqual([])
})

test('one of a newer release is not read by an older one', () => {
  whole(notes(2))
  expect(start(notes())).toMatchObject({ numbers: [], wanted: expect.stringContaining('by a newer release') })
})

test('one that is held is kept beside the one that is read', () => {
  whole(notes())
  whole(notes(), { held: true })
  for (let again = 0; again < 2; again++) expect(start(notes())).toEqual({ numbers: [1, 2], wanted: null })
})

test('one that is held is read where there is no other', () => {
  whole(notes(), { held: true })
  expect(start(notes())).toEqual({ numbers: [1], wanted: null })
  whole(notes())
  expect(start(notes())).toEqual({ numbers: [2], wanted: null })
})

test('a damaged one is deleted and wanted, and what is left is read', () => {
  whole(notes())
  whole(notes())
  writeFileSync(join(folder, 'notes', '000002.sqlite'), 'Dear diary,\n'.repeat(2000))
  expect(start(notes())).toMatchObject({ numbers: [1], wanted: expect.stringContaining('000002.sqlite') })
  expect(files()).toEqual(['000001.sqlite'])
})

test('one whose version was raised while it was being built is wanted as it was asked for', () => {
  whole(notes())
  Generation.build(folder, notes(), LOG, { held: true, startedAt: systemClock()() }).close()
  const { generations, wanted } = openGenerations(folder, notes(2), LOG, false)
  for (const generation of generations) generation.close()
  expect(wanted).toEqual({ reason: 'its rebuild was not finished', held: true })
})
