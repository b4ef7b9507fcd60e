import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DueQueue } from '../../src/traffic/due-queue.ts'

test('items leave soonest first, and those due together in the order in which they came', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (dues) => {
      const queue = new DueQueue<{ dueMs: number; place: number }>()
      const items = dues.map((dueMs, place) => ({ dueMs, place }))
      for (const item of items) queue.push(item)
      const taken = items.map(() => queue.takeDueBy(20))
      expect(taken).toEqual(items.toSorted((one, other) => one.dueMs - other.dueMs))
      expect(queue.size).toBe(0)
    }),
  )
})

test('what is not due yet stays', () => {
  const queue = new DueQueue<{ dueMs: number }>()
  queue.push({ dueMs: 7 })
  expect(queue.takeDueBy(6)).toBeUndefined()
  expect(queue.takeDueBy(7)).toEqual({ dueMs: 7 })
  expect(queue.takeDueBy(8)).toBeUndefined()
})
