import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const text = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const lines = (file: string) =>
  text(file)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

// A line that ends in a backslash goes on in the next.
const instructions = lines('Dockerfile').join('\n').replaceAll('\\\n', '').split('\n')
const last = (name: string) => instructions.findLast((line) => line.startsWith(`${name} `))

describe('the image', () => {
  test('is of one release of Node 24, and of nothing else', () => {
    const stages = new Set(instructions.map((line) => /^FROM \S+ AS (\S+)$/.exec(line)?.[1]))
    const bases = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1])
    const images = bases.filter((base) => !stages.has(base))
    expect(images).toEqual([expect.stringMatching(/^node:24\.\d+\.\d+-\w+-slim$/)])
  })

  test('has no development packages, and runs no script of any package', () => {
    const install = instructions.filter((line) => /\bnpm\b/.test(line))
    expect(install).toEqual([expect.stringContaining('npm ci --omit=dev --omit=optional --ignore-scripts')])
  })

  test('runs as a user who is not root, with data that outlives it', () => {
    expect(last('USER')).toBe('USER node')
    expect(last('VOLUME')).toBe('VOLUME /data')
    expect(last('ENV')).toContain('LEDGER_DATA=/data')
  })

  test('runs Node itself, so that a signal reaches the ledger', () => {
    expect(last('ENTRYPOINT')).toBe('ENTRYPOINT ["node", "bin/ledger.js"]')
    expect(last('CMD')).toBe('CMD ["start"]')
  })

  test('says by itself whether the process answers', () => {
    expect(last('HEALTHCHECK')).toMatch(/ CMD \["node", "-e", ".*\/healthz.*"\]$/)
  })

  test('is made of what is copied into it by name, and nothing else is sent to where it is built', () => {
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1))
    const [first, ...patterns] = lines('.dockerignore')
    const sent = patterns.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    expect(first).toBe('*')
    expect(new Set(sent)).toEqual(new Set(copied))
    for (const path of sent) expect(existsSync(new URL(`../../${path}`, import.meta.url)), path).toBe(true)
    // What somebody may have put beside the code is left out again.
    for (const pattern of ['**/config.json', '**/.env*', '**/*.sqlite*', '**/node_modules'])
      expect(patterns.indexOf(pattern)).toBeGreaterThan(
        patterns.findLastIndex((line) => line.startsWith('!')),
      )
  })
})
