const LATE: unique symbol = Symbol('late')

/**
 * What `promise` comes to; where that takes longer than `milliseconds`, what `late` gives, or throws. The promise itself
 * goes on.
 */
export async function within<T, Late>(
  promise: Promise<T>,
  milliseconds: number,
  late: () => Late,
): Promise<T | Late> {
  const over = Promise.withResolvers<typeof LATE>()
  const timer = setTimeout(() => over.resolve(LATE), milliseconds)
  try {
    const first = await Promise.race([promise, over.promise])
    return first === LATE ? late() : first
  } finally {
    clearTimeout(timer)
  }
}

/** How long to wait after so many failures on end, from 1, in milliseconds: twice as long after each, up to the most. */
export function backoff(failures: number, { first, most }: { first: number; most: number }): number {
  return Math.min(first * 2 ** (failures - 1), most)
}

/** Resolves when `signal` aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
