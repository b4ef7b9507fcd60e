import { execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

const DISTRIBUTIONS = '/usr/lib/postgresql'

export interface Postgres {
  readonly url: string
  readonly stop: () => Promise<void>
}

/**
 * A PostgreSQL to compare with, as it comes: `BENCH_POSTGRES_URL` where that is set, else a new cluster of an installed
 * server (Debian: `apt-get install postgresql`) on a port of its own. Null where there is none.
 */
export async function startPostgres(): Promise<Postgres | null> {
  const given = process.env['BENCH_POSTGRES_URL']
  if (given !== undefined) return { url: given, stop: async () => {} }
  const version = existsSync(DISTRIBUTIONS) ? readdirSync(DISTRIBUTIONS).toSorted().at(-1) : undefined
  if (version === undefined) return null
  const bin = join(DISTRIBUTIONS, version, 'bin')
  const folder = mkdtempSync(join(tmpdir(), 'bench-postgres-'))
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot)
    chownSync(
      folder,
      Number(execFileSync('id', ['-u', 'postgres'])),
      Number(execFileSync('id', ['-g', 'postgres'])),
    )
  const as = (command: string, args: string[]): [string, string[]] =>
    isRoot ? ['runuser', ['-u', 'postgres', '--', command, ...args]] : [command, args]
  execFileSync(...as(join(bin, 'initdb'), ['-D', folder, '-A', 'trust', '-U', 'bench']), {
    stdio: 'ignore',
    cwd: folder,
  })
  const port = 54_329
  const server = spawn(
    ...as(join(bin, 'postgres'), [
      '-D',
      folder,
      '-p',
      String(port),
      '-c',
      `unix_socket_directories=${folder}`,
    ]),
    { stdio: 'ignore', cwd: folder },
  )
  const url = `postgres://bench@127.0.0.1:${port}/postgres`
  await untilAnswers(url)
  return {
    url,
    stop: async () => {
      const exited = new Promise((resolve) => server.once('exit', resolve))
      execFileSync(...as(join(bin, 'pg_ctl'), ['-D', folder, '-m', 'fast', 'stop']), {
        stdio: 'ignore',
        cwd: folder,
      })
      await exited
      rmSync(folder, { recursive: true })
    },
  }
}

async function untilAnswers(url: string): Promise<void> {
  for (let tries = 100; ; tries--) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (tries === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
