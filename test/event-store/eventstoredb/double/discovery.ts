/**
 * A test double of EventStoreDB; the real server has the last word. Here is what a client asks before anything else: what
 * the server can do, and, where it was given several hosts, which node leads.
 */
import { randomUUID } from 'node:crypto'
import gossip, { type ClusterInfo } from '@eventstore/db-client/generated/gossip_pb.js'
import features, { type SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared, { type Empty } from '@eventstore/db-client/generated/shared_pb.js'
import type { handleUnaryCall } from '@grpc/grpc-js'
import { refusalBy } from './faults.ts'
import { grpcError } from './refusals.ts'
import type { ServerNode } from './server-node.ts'

const SERVER_VERSION = '23.10.0'

const LEADER = 8

const STREAMS = 'event_store.client.streams.streams'

const METHODS: ReadonlyArray<readonly [string, ...string[]]> = [
  ['read', 'position', 'events'],
  ['append'],
  ['delete'],
  ['tombstone'],
  ['batchappend', 'deadline_duration'],
]

export function featuresHandler(node: ServerNode): handleUnaryCall<Empty, SupportedMethods> {
  return (_call, callback) => {
    // The client asks this without credentials, also where it has them.
    const fault = node.faults.take('features')
    const refusal = refusalBy(fault)
    if (refusal !== null) return callback(grpcError(refusal))
    if (fault?.name === 'silent-features') return
    const methods = METHODS.map(([name, ...supported]) =>
      new features.SupportedMethod().setServiceName(STREAMS).setMethodName(name).setFeaturesList(supported),
    )
    callback(
      null,
      new features.SupportedMethods().setEventStoreServerVersion(SERVER_VERSION).setMethodsList(methods),
    )
  }
}

/** A cluster of one. */
export function gossipHandler(
  endpoint: () => { host: string; port: number },
): handleUnaryCall<Empty, ClusterInfo> {
  const instance = new shared.UUID().setString(randomUUID())
  return (_call, callback) => {
    const { host, port } = endpoint()
    const member = new gossip.MemberInfo()
      .setInstanceId(instance)
      .setTimeStamp(String(BigInt(Date.now()) * 10_000n))
      .setState(LEADER)
      .setIsAlive(true)
      .setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(port))
    callback(null, new gossip.ClusterInfo().setMembersList([member]))
  }
}
