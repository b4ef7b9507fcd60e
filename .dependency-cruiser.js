/** Imports point one way: commands, http -> projecting, postscript, event-store -> ledger. */
const may = (from, to) => ({
  name: `${from}-sees-only-its-own`,
  severity: 'error',
  comment: `${from} may import: ${to.join(', ') || 'nothing else of the project'}`,
  from: { path: `^${from}/` },
  to: {
    path: '^(src|projections|bench|test|bin)/',
    pathNot: [`^${from}/`, ...to.map((place) => `^${place}`)],
  },
})

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'a cycle means that two files are one, or that a third is missing',
      from: {},
      to: { circular: true },
    },
    may('src/ledger', []),
    may('src/event-store', ['src/ledger/', 'src/clock.ts', 'src/sqlite.ts', 'src/waiting.ts']),
    may('src/postscript', ['src/ledger/']),
    may('projections', ['src/ledger/', 'src/projecting/projection.ts']),
    may('src/projecting', [
      'src/ledger/',
      'src/event-store/',
      'src/sqlite.ts',
      'projections/',
      'src/clock.ts',
      'src/waiting.ts',
    ]),
    may('src/traffic', ['src/ledger/', 'src/config.ts', 'src/status-line.ts']),
    may('src/verifying', [
      'src/ledger/',
      'src/event-store/',
      'src/projecting/',
      'projections/',
      'src/sqlite.ts',
      'src/config.ts',
      'src/data-folder.ts',
      'src/status-line.ts',
    ]),
    may('src/rebuilding', ['src/ledger/json.ts', 'src/status-line.ts']),
    may('src/copying', [
      'src/ledger/',
      'src/event-store/',
      'src/clock.ts',
      'src/config.ts',
      'src/data-folder.ts',
      'src/status-line.ts',
      'src/waiting.ts',
    ]),
    may('src/http', ['src/', 'projections/', 'package.json']),
    {
      name: 'pure-domain',
      severity: 'error',
      comment: 'src/ledger does no I/O: of Node it sees the hash function alone',
      from: { path: '^src/ledger/' },
      to: { dependencyTypes: ['core'], pathNot: ['^(node:)?crypto$'] },
    },
    {
      name: 'http-commands-on-top',
      severity: 'error',
      comment: 'nothing below imports the routes or the commands',
      from: { path: '^src/', pathNot: ['^src/(http|commands)/', '^src/(app|main|serve)\\.ts$'] },
      to: { path: '^src/(http|commands|app|main|serve)' },
    },
    {
      name: 'one-eventstoredb-client',
      severity: 'error',
      from: { pathNot: ['^src/event-store/eventstoredb/', '^(test|bench)/'] },
      to: { path: '@eventstore/db-client' },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.config\\.ts$', '^bin/'] },
      to: {},
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependencies',
      severity: 'error',
      from: { path: '^(src|projections|bin)/' },
      to: { dependencyTypes: ['npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
