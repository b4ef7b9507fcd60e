import { existsSync } from 'node:fs'

const SHAPE = /^esdb(\+discover)?:\/\/(?:([^@/?]*)@)?([^@/?]+)\/?(\?.*)?$/
const HOSTS = /^[^\s,:]+(:\d{1,5})?(,[^\s,:]+(:\d{1,5})?)*$/

/** What the client understands and the ledger leaves to whoever runs it, in the client's loose spelling. */
const OPTIONS = new Set([
  'tls',
  'tlscafile',
  'connectionname',
  'nodepreference',
  'discoveryinterval',
  'maxdiscoverattempts',
  'gossiptimeout',
  'keepaliveinterval',
  'keepalivetimeout',
])

/**
 * What is wrong with a connection string, or null. Quotes nothing of it but the names of options: the client's own
 * messages quote passwords, and it only warns of what it does not understand.
 */
export function urlMistake(url: string): string | null {
  const [whole, , credentials, hosts = '', query = ''] = SHAPE.exec(url) ?? []
  if (whole === undefined || !HOSTS.test(hosts))
    return 'must be esdb://[user:password@]host[:port][,host…][?option=value&…]'
  const options = optionsOf(query)
  for (const [name, value] of options) {
    if (!OPTIONS.has(flat(name))) return `the option ${name} is unknown, or not for the ledger`
    if (value === '') return `the option ${name} has no value`
    if (flat(name) === 'tlscafile' && !existsSync(value)) return `${name}: there is no such file`
  }
  const tls = options.find(([name]) => flat(name) === 'tls')?.[1] ?? 'true'
  if (tls !== 'true' && tls !== 'false') return 'the option tls must be true or false'
  if (credentials === undefined)
    return tls === 'true' ? 'needs user:password@ before the host, unless tls=false' : null
  if (!/^[^:]+:[^:]+$/.test(credentials))
    return 'the part before @ must be user:password, with : and @ in them written as %3A and %40'
  return isEncoded(credentials) ? null : 'user or password: % must be followed by two hex digits'
}

function optionsOf(query: string): [string, string][] {
  if (query === '') return []
  return query
    .slice(1)
    .split('&')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=')
      const text = value.join('=')
      return [name, isEncoded(text) ? decodeURIComponent(text) : '']
    })
}

function flat(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
