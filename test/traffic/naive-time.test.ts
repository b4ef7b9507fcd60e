import { expect, test } from 'vitest'
import { NaiveTime } from '../../src/traffic/naive-time.ts'

const DAY = 86_400_000_000

test('moments are written as Postscript writes them: UTC, six digits, no zone', () => {
  const time = new NaiveTime('2026-02-28T23:59:59.999Z')
  expect(time.text(0)).toBe('2026-02-28T23:59:59.999000')
  expect(time.text(999)).toBe('2026-02-28T23:59:59.999999')
  expect(time.text(1000)).toBe('2026-03-01T00:00:00.000000')
  expect(time.text(40 * DAY + 1)).toBe('2026-04-09T23:59:59.999001')
})

test('a start with an offset is brought to UTC, one without is taken for UTC', () => {
  expect(new NaiveTime('2026-01-05T14:00:00+02:00').text(0)).toBe('2026-01-05T12:00:00.000000')
  expect(new NaiveTime('2026-01-05T14:00:00').text(0)).toBe('2026-01-05T14:00:00.000000')
})

test('the hour is the one that is written', () => {
  expect(new NaiveTime('2026-01-05T23:30:00Z').hour(0)).toBe(23)
  expect(new NaiveTime('2026-01-05T23:30:00Z').hour(DAY / 24)).toBe(0)
})
