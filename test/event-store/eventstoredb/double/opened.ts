/** For tests: the double, clients of it, and what a subscription says. What is opened is closed with the test. */
import { randomUUID } from 'node:crypto'
import {
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
  EventStoreDBClient,
  jsonEvent,
  type Position,
  type SubscribeToAllOptions,
} from '@eventstore/db-client'
import { onTestFinished } from 'vitest'
import { EventStoreDouble, type EventStoreDoubleOptions } from './event-store-double.ts'

export interface Opened {
  readonly double: EventStoreDouble
  readonly url: string
  readonly client: EventStoreDBClient
}

export async function open(options: EventStoreDoubleOptions = {}): Promise<Opened> {
  const double = await EventStoreDouble.start(options)
  onTestFinished(() => double.close())
  return { double, url: double.url, client: connect(double.url) }
}

let clients = 0

/**
 * A client with a connection of its own. gRPC lets all clients of a process share one where their settings are the same,
 * and it is the same one still when the server went away and another listens at its port.
 */
export function connect(url: string): EventStoreDBClient {
  clients += 1
  const client = EventStoreDBClient.connectionString(`${url}&keepAliveInterval=${10_000 + clients}`)
  onTestFinished(() => client.dispose())
  return client
}

export const newStream = (): string => `stream-${randomUUID()}`

/** An event that `follow` tells by its number. */
export const texted = (n: number) => jsonEvent({ type: 'Texted', data: { n } })

export async function revisions(client: EventStoreDBClient, stream: string): Promise<(bigint | undefined)[]> {
  return (await Array.fromAsync(client.readStream(stream))).map(({ event }) => event?.revision)
}

export interface Followed {
  /** The numbers of the events, and words for all else. */
  readonly said: (number | string)[]
  readonly events: AllStreamResolvedEvent[]
  readonly checkpoints: Position[]
  readonly errors: Error[]
}

export function follow(client: EventStoreDBClient, options: SubscribeToAllOptions): Followed {
  const said: Followed['said'] = []
  const events: AllStreamResolvedEvent[] = []
  const checkpoints: Position[] = []
  const errors: Error[] = []
  const checkpointReached = async (_: AllStreamSubscription, position: Position): Promise<void> => {
    said.push('checkpoint')
    checkpoints.push(position)
  }
  const { filter } = options
  client
    .subscribeToAll(filter === undefined ? options : { ...options, filter: { ...filter, checkpointReached } })
    .on('confirmation', () => said.push('confirmed'))
    .on('caughtUp', () => said.push('caught up'))
    .on('end', () => said.push('ended'))
    .on('error', (error: Error) => errors.push(error))
    .on('data', (resolved: AllStreamResolvedEvent) => {
      events.push(resolved)
      said.push(numberOf(resolved.event?.data))
    })
  return { said, events, checkpoints, errors }
}

function numberOf(data: unknown): number | string {
  return typeof data === 'object' && data !== null && 'n' in data ? Number(data.n) : 'of others'
}
