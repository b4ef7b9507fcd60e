/**
 * A test double of EventStoreDB; the real server has the last word. Here is which events of `$all` a reader asks for. The
 * server's regular expressions are .NET's.
 */
import type { ReadReq } from '@eventstore/db-client/generated/streams_pb.js'
import type { StoredEvent } from './log.ts'

export type Filter = (event: StoredEvent) => boolean

/** Null for an expression that is none. */
export function filterOf(options: ReadReq.Options.FilterOptions): Filter | null {
  const byStream = options.getStreamIdentifier()
  const expression = byStream ?? options.getEventType()
  const matches = matcherOf(expression?.getRegex() ?? '', expression?.getPrefixList() ?? [])
  if (matches === null) return null
  return byStream === undefined ? ({ type }) => matches(type) : ({ stream }) => matches(stream)
}

function matcherOf(regex: string, prefixes: readonly string[]): ((text: string) => boolean) | null {
  if (regex === '') return (text) => prefixes.some((prefix) => text.startsWith(prefix))
  try {
    const expression = new RegExp(regex)
    return (text) => expression.test(text)
  } catch {
    return null
  }
}
