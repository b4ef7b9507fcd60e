import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'

/**
 * A folder for the running test alone, or for a whole file of them where `finished` is `afterAll`. When they are
 * finished, nothing in it may still be open; then it is deleted.
 */
export function temporaryFolder(finished: (check: () => Promise<void>) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-test-'))
  finished(async () => {
    try {
      // A thread that failed lets go of its files a moment after it said so.
      await vi.waitFor(() => expect(openFilesIn(folder), 'the test left files open').toEqual([]), 5_000)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
  return folder
}

/** The files of a folder that this process has open; what Linux alone can say. */
function openFilesIn(folder: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    const file = linkOf(`/proc/self/fd/${fd}`)
    return file?.startsWith(folder) ? [file] : []
  })
}

// Null for one that was closed while the list was read.
function linkOf(path: string): string | null {
  try {
    return readlinkSync(path)
  } catch {
    return null
  }
}
