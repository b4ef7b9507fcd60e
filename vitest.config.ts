import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Two, where vitest would take one: the tests wait for disks and processes more than they compute.
    maxWorkers: 2,
  },
})
