/** Says on stderr how far something has come. */
export interface StatusLine {
  /** `text` is asked for only when it is time to say something. */
  update(text: () => string): void
  /** Takes the line away, where it is one that is rewritten in place. */
  clear(): void
}

type Stream = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>

const REWRITE_EVERY_MS = 250

/** One line, rewritten in place, on a terminal; elsewhere a line of its own every `elsewhereMs`, or none where null. */
export function statusLine(elsewhereMs: number | null, stream: Stream = process.stderr): StatusLine {
  const everyMs = stream.isTTY ? REWRITE_EVERY_MS : elsewhereMs
  let said = performance.now()
  return {
    update: (text) => {
      if (everyMs === null || performance.now() - said < everyMs) return
      said = performance.now()
      // A line that wraps could not be rewritten in place.
      if (stream.isTTY) stream.write(`\r\u001b[2K${text().slice(0, (stream.columns || 80) - 1)}`)
      else stream.write(`${text()}\n`)
    },
    clear: () => {
      if (stream.isTTY) stream.write('\r\u001b[2K')
    },
  }
}

/** A number with its thousands apart. */
export function grouped(number: number): string {
  return number.toLocaleString('en-US')
}
