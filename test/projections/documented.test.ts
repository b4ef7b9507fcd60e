import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(root, 'docs', 'projections.md'), 'utf8')

/** The blocks of the page: its code says after the language which file it is from. */
const blocks = [...page.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(
  ([, language = '', file = '', code = '']) => ({ language, file, code }),
)
const code = blocks.filter(({ language }) => language === 'ts' || language === 'sql')

test('the page on projections shows code of the projection, its route and its test', () => {
  expect(new Set(code.map(({ file }) => file))).toEqual(
    new Set([
      'projections/shop-activity/tables.ts',
      'projections/shop-activity/projection.ts',
      'projections/shop-activity/queries.ts',
      'projections/index.ts',
      'src/http/activity.ts',
      'test/projections/shop-activity.test.ts',
    ]),
  )
})

test.each(code)('its code is the code that is there: $file', ({ file, code }) => {
  expect(readFileSync(join(root, file), 'utf8')).toContain(`\n${code}`)
})
