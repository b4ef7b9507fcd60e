/**
 * A test double of EventStoreDB; the real server has the last word. Here is a subscription to `$all`: what is there from
 * its starting place on, word that this is all, and then what is written.
 */
import { randomUUID } from 'node:crypto'
import streams, { type ReadReq, type ReadResp } from '@eventstore/db-client/generated/streams_pb.js'
import { Checkpoints, PAGE_SIZE, type Place } from './checkpoints.ts'
import { fail, type ReadCall, write } from './delivery.ts'
import { type Filter, filterOf } from './filter.ts'
import type { Log } from './log.ts'
import type { Refusal } from './refusal.ts'
import { meet, type RunningSubscription, type ServerNode } from './server-node.ts'
import { startOf } from './starting-place.ts'
import { readEvent } from './wire.ts'

export function subscribe(node: ServerNode, call: ReadCall, options: ReadReq.Options): void {
  const { fault, refusal } = meet(node, call, 'subscribe')
  const from = options.getAll()
  const filter = options.getFilter()
  const matches = filter === undefined ? () => true : filterOf(filter)
  const start = from === undefined ? null : startOf(node.log, from)
  if (refusal !== null || start === null || matches === null) {
    fail(call, refusal ?? { reason: 'handler-failed' })
    return
  }
  const cursor = start === 'beyond' ? node.log.events.length : start + skipped(node.log, from, start)
  const subscription = new Subscription(node, call, cursor, matches, checkpoints(node.log, filter, cursor))
  subscription.setSilent(fault?.name === 'silent-subscription')
  void subscription.run()
}

/** A subscription starts after a position: after the first event that is at it. */
function skipped(log: Log, from: ReadReq.Options.AllOptions | undefined, start: number): number {
  const position = from?.getPosition()
  const afterEvent = position !== undefined && position.getCommitPosition() !== '0'
  return afterEvent && start < log.events.length ? 1 : 0
}

function checkpoints(
  log: Log,
  filter: ReadReq.Options.FilterOptions | undefined,
  cursor: number,
): Checkpoints | null {
  if (filter === undefined) return null
  const window = filter.hasMax() ? filter.getMax() : PAGE_SIZE
  const commit = cursor === 0 ? 0n : (log.events[cursor]?.position ?? log.end)
  return new Checkpoints(window, filter.getCheckpointintervalmultiplier(), { commit, prepare: 0n })
}

class Subscription implements RunningSubscription {
  readonly #node: ServerNode
  readonly #call: ReadCall
  readonly #matches: Filter
  readonly #checkpoints: Checkpoints | null
  #cursor: number
  #state: 'new' | 'catching-up' | 'live' = 'new'
  #silent = false
  #over = false
  #wake = (): void => {}
  readonly #stopped = Promise.withResolvers<void>()

  constructor(
    node: ServerNode,
    call: ReadCall,
    cursor: number,
    matches: Filter,
    checkpoints: Checkpoints | null,
  ) {
    this.#node = node
    this.#call = call
    this.#cursor = cursor
    this.#matches = matches
    this.#checkpoints = checkpoints
  }

  async run(): Promise<void> {
    const unwatch = this.#node.log.watch(() => this.#wake())
    this.#call.once('cancelled', () => this.#stop())
    this.#node.subscriptions.add(this)
    while (!this.#over) {
      const responses = this.#silent ? null : this.#next()
      if (responses === null) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
      for (const response of responses ?? []) await this.#deliver(response)
    }
    this.#node.subscriptions.delete(this)
    unwatch()
  }

  end(): void {
    this.#stop()
    this.#call.end()
  }

  fail(refusal: Refusal): void {
    this.#stop()
    fail(this.#call, refusal)
  }

  /** It stays where it is, and goes on from there. */
  setSilent(silent: boolean): void {
    this.#silent = silent
    this.#wake()
  }

  /** What is to be said of one step, which may be nothing; null where there is nothing to go on to. */
  #next(): ReadResp[] | null {
    if (this.#state === 'new') {
      this.#state = 'catching-up'
      return [confirmation()]
    }
    const event = this.#node.log.events[this.#cursor]
    if (event === undefined) {
      if (this.#state === 'live') return null
      this.#state = 'live'
      this.#checkpoints?.goLive()
      return [new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp())]
    }
    this.#cursor += 1
    const delivered = this.#matches(event)
    const next = this.#node.log.events[this.#cursor]?.position ?? this.#node.log.end
    const place =
      this.#state === 'live'
        ? this.#checkpoints?.passedLive(event)
        : this.#checkpoints?.passed(event, delivered, next)
    return [...(delivered ? [readEvent(event)] : []), ...(place ? [checkpoint(place)] : [])]
  }

  async #deliver(response: ReadResp): Promise<void> {
    const delay = response.hasEvent() ? this.#node.faults.delay() : 0
    if (delay > 0) {
      const passed = new Promise<void>((resolve) => this.#node.later(delay, resolve))
      await Promise.race([passed, this.#stopped.promise])
    }
    if (!this.#over && !(await write(this.#call, response))) this.#stop()
  }

  #stop(): void {
    this.#over = true
    this.#stopped.resolve()
    this.#wake()
  }
}

function confirmation(): ReadResp {
  const confirmed = new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(randomUUID())
  return new streams.ReadResp().setConfirmation(confirmed)
}

function checkpoint({ commit, prepare }: Place): ReadResp {
  const reached = new streams.ReadResp.Checkpoint()
    .setCommitPosition(String(commit))
    .setPreparePosition(String(prepare))
  return new streams.ReadResp().setCheckpoint(reached)
}
