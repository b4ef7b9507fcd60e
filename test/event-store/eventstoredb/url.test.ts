import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { urlMistake } from '../../../src/event-store/eventstoredb/url.ts'
import { temporaryFolder } from '../../temporary-folder.ts'

describe('a connection string is taken', () => {
  test.each([
    'esdb://localhost:2113?tls=false',
    'esdb://127.0.0.1?tls=false&keepAliveInterval=20000',
    'esdb://ledger:secret@one:2113,two:2113,three:2113',
    'esdb+discover://ledger:se%40cret@cluster.example.com:2113/?nodePreference=leader',
  ])('%s', (url) => {
    expect(urlMistake(url)).toBeNull()
  })

  test('with a certificate authority that is there', () => {
    const file = join(temporaryFolder(), 'ca.crt')
    writeFileSync(file, '')
    expect(urlMistake(`esdb://ledger:secret@one?tlsCAFile=${encodeURIComponent(file)}`)).toBeNull()
  })
})

describe('a mistake in a connection string is named, and nothing secret is quoted', () => {
  test.each([
    ['http://ledger:hunter2@localhost', /^must be esdb:\/\//],
    ['esdb://', /^must be esdb:\/\//],
    ['esdb://localhost:port?tls=false', /^must be esdb:\/\//],
    ['esdb://localhost:2113', /^needs user:password@ before the host/],
    ['esdb://hunter2@localhost', /%3A and %40/],
    ['esdb://ledger:hun:ter2@localhost', /%3A and %40/],
    ['esdb://ledger:hunter2%@localhost', /% must be followed by two hex digits/],
    ['esdb://ledger:hunter2@localhost?tls=no', /^the option tls must be true or false/],
    [
      'esdb://ledger:hunter2@localhost?tlsVerifyCert=false',
      /^the option tlsVerifyCert is unknown, or not for/,
    ],
    [
      'esdb://ledger:hunter2@localhost?throwOnAppendFailure=false',
      /throwOnAppendFailure is unknown, or not for/,
    ],
    ['esdb://ledger:hunter2@localhost?tlsCAFile=/nowhere/ca.crt', /^tlsCAFile: there is no such file/],
    ['esdb://ledger:hunter2@localhost?gossipTimeout', /gossipTimeout has no value/],
  ])('%s', (url, mistake) => {
    expect(urlMistake(url)).toMatch(mistake)
    expect(urlMistake(url)).not.toContain('hunter2')
  })
})
