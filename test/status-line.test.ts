import { expect, test, vi } from 'vitest'
import { statusLine } from '../src/status-line.ts'

/** What is written to a stream of that kind in one second, when there is something to say every 100 ms. */
function inOneSecond(isTTY: boolean, elsewhereMs: number | null): string[] {
  vi.useFakeTimers()
  try {
    const written: string[] = []
    const write = (text: string | Uint8Array) => written.push(String(text)) > 0
    const line = statusLine(elsewhereMs, { isTTY, columns: 11, write })
    for (let ms = 100; ms <= 1_000; ms += 100) {
      vi.advanceTimersByTime(100)
      line.update(() => `${ms} of a thousand`)
    }
    line.clear()
    return written
  } finally {
    vi.useRealTimers()
  }
}

test('on a terminal it is one line that is rewritten, never wraps, and goes', () => {
  const clear = '\r\u001b[2K'
  expect(inOneSecond(true, null)).toEqual([
    `${clear}300 of a t`,
    `${clear}600 of a t`,
    `${clear}900 of a t`,
    clear,
  ])
})

test('elsewhere it is a line now and then, or none', () => {
  expect(inOneSecond(false, 500)).toEqual(['500 of a thousand\n', '1000 of a thousand\n'])
  expect(inOneSecond(false, null)).toEqual([])
})
