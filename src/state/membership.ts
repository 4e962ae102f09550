import { isDeepStrictEqual } from "node:util";
import { type Endpoint, hostPortOf } from "../core/endpoint.ts";

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
}

export interface RefusedSpec {
  readonly spec: EndpointSpec;
  /** `capacity`: every slot is taken. Otherwise an earlier spec of the list has its id or address. */
  readonly reason: "capacity" | "duplicate-id" | "duplicate-address";
}

/** What one `apply` did. An endpoint whose address or port changed is removed and added. */
export interface MembershipChange {
  readonly added: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
  /** Endpoints that only got other labels: new objects in the slots of the old ones. */
  readonly relabelled: readonly Endpoint[];
  readonly refused: readonly RefusedSpec[];
}

/** What makes an endpoint the same one over time: its labels may change, these may not. */
export function identityOf({ id, address, port }: EndpointSpec): string {
  return `${id} ${address} ${port}`;
}

export function endpointOf(spec: EndpointSpec, slot: number): Endpoint {
  const { id, namespace, name, address, port } = spec;
  const labels = Object.freeze({ ...spec.labels });
  const hostPort = hostPortOf(address, port);
  return Object.freeze({ id, namespace, name, address, port, hostPort, labels, slot });
}

/** The same endpoint under the labels of `spec`: the same object where they did not change. */
export function relabelledAs(endpoint: Endpoint, spec: EndpointSpec): Endpoint {
  return isDeepStrictEqual(endpoint.labels, { ...spec.labels })
    ? endpoint
    : endpointOf(spec, endpoint.slot);
}

/** Specs by identity; of two with one id or one address, the first. */
export function uniqueSpecsOf(specs: readonly EndpointSpec[]): {
  readonly wanted: ReadonlyMap<string, EndpointSpec>;
  readonly refused: readonly RefusedSpec[];
} {
  const wanted = new Map<string, EndpointSpec>();
  const refused: RefusedSpec[] = [];
  const ids = new Set<string>();
  const hostPorts = new Set<string>();
  for (const spec of specs) {
    const hostPort = hostPortOf(spec.address, spec.port);
    if (ids.has(spec.id)) refused.push({ spec, reason: "duplicate-id" });
    else if (hostPorts.has(hostPort)) refused.push({ spec, reason: "duplicate-address" });
    else {
      ids.add(spec.id);
      hostPorts.add(hostPort);
      wanted.set(identityOf(spec), spec);
    }
  }
  return { wanted, refused };
}
