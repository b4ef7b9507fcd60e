import { ConfigMistake } from '../config.ts'
import type { CopyTarget } from '../event-store/event-store.ts'
import { urlMistake } from '../event-store/eventstoredb/url.ts'
import { openCopyTarget } from '../event-store/open.ts'

/** Opens the EventStoreDB that is copied to. It need not hold a log yet. Rejects with `ConfigMistake`. */
export async function openTarget(url: string): Promise<CopyTarget> {
  const mistake = urlMistake(url)
  if (mistake !== null) throw new ConfigMistake(`--to ${mistake}`)
  return openCopyTarget(url)
}

/** A connection string as it can be shown and kept: where it leads, without user, password and options. */
export function placeOf(url: string): string {
  const [, scheme = 'esdb', hosts = ''] = /^([a-z+]+):\/\/(?:.*@)?([^/?#]*)/.exec(url) ?? []
  return `${scheme}://${hosts}`
}
