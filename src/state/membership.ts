import { isDeepStrictEqual } from "node:util";
import type { Endpoint } from "../core/endpoint.ts";
import { hostPortOf } from "../std/host-port.ts";

/** An endpoint as a discovery source describes it. */
export interface EndpointSpec extends Omit<Endpoint, "hostPort" | "slot"> {
  /**
   * Creation time in milliseconds since the Unix epoch; undefined if the source does not know it.
   */
  readonly createdAtMs?: number;
}

/** An endpoint that its source lists and the pool leaves out. */
export interface RefusedSpec {
  readonly spec: EndpointSpec;
  /** `capacity`: every slot is taken. Otherwise `holder` has its id or its address. */
  readonly reason: "capacity" | "duplicate-id" | "duplicate-address";
  readonly holder?: EndpointSpec;
}

/** The effect of one `apply`. An endpoint whose address, port or TLS changed is removed and added. */
export interface MembershipChange {
  readonly added: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
  /** Endpoints with changed details such as labels: new objects in the same slots. */
  readonly updated: readonly Endpoint[];
  readonly refused: readonly RefusedSpec[];
}

interface SpecKeys {
  /** The part of a spec that must not change for an endpoint to stay the same one. */
  readonly identity: string;
  readonly hostPort: string;
}

/** Sources pass the same objects again and again, and building strings is most of a comparison. */
const knownKeys = new WeakMap<EndpointSpec, SpecKeys>();

function keysOf(spec: EndpointSpec): SpecKeys {
  const known = knownKeys.get(spec);
  if (known !== undefined) return known;
  const { id, address, port, incarnation, tls } = spec;
  const secure = tls === undefined ? "" : ` https ${tls.serverName ?? ""}`;
  const keys = {
    identity: `${id} ${address} ${port} ${incarnation ?? ""}${secure}`,
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

/** True if the pool keeps such an endpoint but adds none. */
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

/** The spec that an endpoint was made from: most are described by the same object again. */
const madeFrom = new WeakMap<Endpoint, EndpointSpec>();

/** The endpoint with the details of `spec`; the same object if nothing has changed. */
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
 * The specs of `after` that differ from those of `before`; undefined if the two lists do not have
 * the same endpoints in the same order. Usually one pod of a thousand has changed, and comparing
 * objects finds it a hundred times faster than comparing their contents.
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
