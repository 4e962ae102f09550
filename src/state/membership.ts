import { isDeepStrictEqual } from "node:util";
import type { DrainReason, Endpoint, MetricsAddress } from "../core/endpoint.ts";
import { hostPortOf } from "../std/host-port.ts";

/** An endpoint as a discovery source describes it. */
export interface EndpointSpec {
  /** `namespace/name`, unique in the pool. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** An IP literal, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Tells one endpoint from a later one of the same name and address, such as the UID of a pod. */
  readonly incarnation?: string;
  /** The pod that it is a port of, if any. */
  readonly podName?: string;
  /** IP address of the machine that it runs on, if the source knows it. */
  readonly nodeAddress?: string;
  /** Address of its metrics, from its pod's annotations; it may change without making another endpoint of it. */
  readonly metrics?: MetricsAddress;
  /** Why it takes no new requests; undefined for one that does. */
  readonly drain?: DrainReason;
  /** When it was created, in milliseconds since the Unix epoch; undefined if the source does not know. */
  readonly createdAtMs?: number;
}

/** An endpoint that its source names and the pool leaves out. */
export interface RefusedSpec {
  readonly spec: EndpointSpec;
  /** `capacity`: every slot is taken. Otherwise `holder` has its id or its address. */
  readonly reason: "capacity" | "duplicate-id" | "duplicate-address";
  readonly holder?: EndpointSpec;
}

/** What one `apply` did. An endpoint whose address or port changed is removed and added. */
export interface MembershipChange {
  readonly added: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
  /** Endpoints that are described otherwise, with other labels say: new objects in the old slots. */
  readonly updated: readonly Endpoint[];
  readonly refused: readonly RefusedSpec[];
}

interface SpecKeys {
  /** What makes an endpoint the same one over time: all else may change, this may not. */
  readonly identity: string;
  readonly hostPort: string;
}

/** Sources give the same objects again and again, and building strings is most of a comparison. */
const knownKeys = new WeakMap<EndpointSpec, SpecKeys>();

function keysOf(spec: EndpointSpec): SpecKeys {
  const known = knownKeys.get(spec);
  if (known !== undefined) return known;
  const { id, address, port, incarnation } = spec;
  const keys = {
    identity: `${id} ${address} ${port} ${incarnation ?? ""}`,
    hostPort: hostPortOf(address, port),
  };
  knownKeys.set(spec, keys);
  return keys;
}

export function identityOf(spec: EndpointSpec): string {
  return keysOf(spec).identity;
}

/** `ip:port`, built once for each spec. */
export function hostPortOfSpec(spec: EndpointSpec): string {
  return keysOf(spec).hostPort;
}

/** True if the pool keeps an endpoint that is described so, but takes no new one. */
export function isOnlyKept({ drain }: EndpointSpec): boolean {
  return drain === "not-ready" || drain === "terminating";
}

export function endpointOf(spec: EndpointSpec, slot: number): Endpoint {
  const labels = Object.freeze({ ...spec.labels });
  const { hostPort } = keysOf(spec);
  const endpoint = Object.freeze({ ...spec, hostPort, labels, slot });
  madeFrom.set(endpoint, spec);
  return endpoint;
}

/** What an endpoint was made from: most are described by the same object again. */
const madeFrom = new WeakMap<Endpoint, EndpointSpec>();

/** The same endpoint as `spec` describes it: the same object where nothing has changed. */
export function describedAs(endpoint: Endpoint, spec: EndpointSpec): Endpoint {
  if (madeFrom.get(endpoint) === spec) return endpoint;
  const { labels, drain, nodeAddress, metrics } = endpoint;
  const isSame =
    drain === spec.drain &&
    nodeAddress === spec.nodeAddress &&
    isDeepStrictEqual(metrics, spec.metrics) &&
    isDeepStrictEqual(labels, { ...spec.labels });
  return isSame ? endpoint : endpointOf(spec, endpoint.slot);
}

/**
 * The specs of `after` that describe an endpoint of `before` otherwise; undefined where the two lists
 * are not of the same endpoints in the same order. One pod of a thousand has changed most times, and
 * comparing objects finds it a hundred times faster than comparing what they say.
 */
export function redescribed(
  before: readonly EndpointSpec[],
  after: readonly EndpointSpec[],
): readonly EndpointSpec[] | undefined {
  if (before.length !== after.length) return undefined;
  const changed = after.filter((spec, index) => spec !== before[index]);
  const earlier = before.filter((spec, index) => spec !== after[index]);
  const isSame = changed.every((spec, index) => {
    const was = earlier[index];
    return was !== undefined && identityOf(was) === identityOf(spec);
  });
  return isSame ? changed : undefined;
}
