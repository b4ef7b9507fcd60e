#!/usr/bin/env node
// Plain JavaScript, so that a Node that cannot run the rest can say so.
import module from 'node:module'

const NEEDED = 24

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  console.error(`ledger needs Node ${NEEDED} or newer; this is ${process.versions.node}`)
  process.exit(1)
}
// Compiled once, not at every start: most of the time that a start takes.
module.enableCompileCache?.()
// The threads that it starts look there, not at what was enabled here.
process.env.NODE_COMPILE_CACHE ??= module.getCompileCacheDir?.()
await import('../src/main.ts')
