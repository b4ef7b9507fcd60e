import { expect, test } from 'vitest'
import { projectionNames, projections } from '../../projections/index.ts'

test('every projection is listed, by the name that it gives itself', () => {
  expect(Object.entries(projections).map(([key, { name }]) => [key, name])).toEqual(
    projectionNames.map((name) => [name, name]),
  )
})
