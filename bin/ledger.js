#!/usr/bin/env node
// Plain JavaScript, so that a Node that cannot run the rest can say so.
const NEEDED = 24

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  console.error(`ledger needs Node ${NEEDED} or newer; this is ${process.versions.node}`)
  process.exit(1)
}
await import('../src/main.ts')
