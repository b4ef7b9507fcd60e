import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What a limit on file sizes needs: a shell that sets it, and a command that lifts it while the process runs. */
export const canLimitFiles = isOnPath('bash') && isOnPath('prlimit')

/** Runs Node with `words`, no file of which may grow beyond so many KiB: what is written behind that fails. */
export function spawnLimited(kibibytes: number, words: readonly string[], env: NodeJS.ProcessEnv) {
  const script = `ulimit -S -f ${kibibytes}; exec "$@"`
  return spawn('bash', ['-c', script, 'bash', process.execPath, ...words], { env, stdio: 'pipe' })
}

export function liftFileLimit(pid: number): void {
  execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:'])
}

function isOnPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)))
}
