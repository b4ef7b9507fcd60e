import { readdirSync, readlinkSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { type StreamHead, sha256 } from '../../src/ledger/event.ts'
import { Notes } from '../../src/verifying/notes.ts'
import { instant } from '../ledger/deliveries.ts'

const SMALL = { heads: 3, cacheKib: 64 }
const COUNT = 10_000

function headOf(number: number, revision: number): StreamHead {
  const recordedAt = instant(`2026-03-01T10:00:${10 + (number % 50)}.${String(number).padStart(6, '0')}`)
  return { revision, hash: sha256(`${number} ${revision}`), recordedAt }
}

test('a head is as it was last set, whether it is still remembered or not', () => {
  const notes = new Notes(SMALL)
  onTestFinished(() => notes.close())
  expect(notes.head('stream 0')).toBeNull()
  for (const revision of [0, 1]) {
    for (let number = 0; number < 50; number++) {
      notes.setHead(`stream ${number}`, headOf(number, revision))
      if (number % 7 === 0) notes.save()
    }
  }
  for (let number = 0; number < 50; number++)
    expect(notes.head(`stream ${number}`)).toEqual(headOf(number, 1))
  expect(notes.streams).toBe(50)
})

test('an id is new once in each stream', () => {
  const notes = new Notes(SMALL)
  onTestFinished(() => notes.close())
  const said = ['a 1', 'a 2', 'b 1', 'a 1'].map((text) => notes.addId(text.slice(0, 1), text.slice(2)))
  expect(said).toEqual([true, true, true, false])
})

test.skipIf(process.platform !== 'linux')(
  'its file has no name any more, and is gone when it is closed',
  () => {
    const before = temporaryFiles()
    const notes = new Notes(SMALL)
    for (let number = 0; number < COUNT; number++) {
      notes.setHead(`stream ${number}`, headOf(number, 0))
      notes.addId(`stream ${number}`, 'id')
    }
    notes.save()
    const open = temporaryFiles().slice(before.length)
    expect(open).not.toEqual([])
    expect(open.every((file) => file.endsWith(' (deleted)'))).toBe(true)
    notes.close()
    expect(temporaryFiles()).toEqual(before)
  },
)

function temporaryFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.includes('etilqs') ? [file] : []
    } catch {
      return []
    }
  })
}
