import { hostPortOf } from "../../../std/host-port.ts";
import type { EndpointSpec } from "../../../state/membership.ts";
import type { EndpointSlice, SliceEndpoint, SlicePort } from "./endpoint-slice.ts";
import type { Exclusion, Membership } from "./membership.ts";
import type { Pod } from "./pod.ts";

/** Labels of nodes that topology plugins use. */
const zoneLabel = "topology.kubernetes.io/zone";
const hostLabel = "kubernetes.io/hostname";

export interface SliceSelection {
  readonly namespace: string;
  readonly slices: Iterable<EndpointSlice>;
  /** Name or number of the port; undefined for a Service with only one. */
  readonly port: string | undefined;
  /** The pod behind an endpoint, if the picker may read pods. */
  readonly podOf: (namespace: string, name: string) => Pod | undefined;
}

export type SliceMembership =
  | ({ readonly kind: "known" } & Membership)
  | { readonly kind: "ambiguous"; readonly problem: string };

/**
 * The endpoints of a Service. An endpoint in several slices, of both address families or while it
 * moves between slices, is one endpoint; IPv4 is used if there are both.
 */
export function endpointsOfSlices(selection: SliceSelection): SliceMembership {
  const listed: ListedEndpoint[] = [];
  for (const slice of inOrder(selection.slices)) {
    const port = portOf(slice.ports, selection.port);
    if (typeof port === "string") return { kind: "ambiguous", problem: port };
    if (port === undefined) continue;
    listed.push(...slice.endpoints.map((endpoint) => ({ endpoint, port })));
  }
  const nameOf = namesIn(listed);
  const specs = new Map<string, EndpointSpec>();
  for (const each of listed) {
    const spec = specOf(each, nameOf(each), selection);
    // A pod that was created again under its name is another endpoint.
    const key = `${spec.id} ${spec.incarnation}`;
    const known = specs.get(key);
    if (known !== undefined && (known.drain === undefined || spec.drain !== undefined)) continue;
    specs.set(key, spec);
  }
  return { kind: "known", specs: [...specs.values()], excluded: exclusionsOf(specs.values()) };
}

/** An endpoint of a slice, with the port that it is used on. */
interface ListedEndpoint {
  readonly endpoint: SliceEndpoint;
  readonly port: number;
}

/**
 * Names of the endpoints: the pod's name, or the address. An address without a pod that is listed
 * with several ports stands for several engines, so its port is part of their names.
 */
function namesIn(listed: readonly ListedEndpoint[]): (each: ListedEndpoint) => string {
  const ports = new Map<string, Set<number>>();
  for (const { endpoint, port } of listed) {
    if (endpoint.pod !== undefined) continue;
    ports.set(endpoint.address, (ports.get(endpoint.address) ?? new Set()).add(port));
  }
  return ({ endpoint: { pod, address }, port }) => {
    if (pod !== undefined) return pod.name;
    return (ports.get(address)?.size ?? 0) > 1 ? hostPortOf(address, port) : address;
  };
}

function exclusionsOf(specs: Iterable<EndpointSpec>): Exclusion[] {
  return [...specs].flatMap(({ namespace, name, drain }) =>
    drain === undefined ? [] : [{ namespace, name, reason: drain }],
  );
}

const families = ["IPv4", "IPv6"];

/** The slices with addresses that can be dialled, IPv4 first, always in the same order. */
function inOrder(slices: Iterable<EndpointSlice>): EndpointSlice[] {
  return [...slices]
    .filter(({ addressType }) => families.includes(addressType))
    .toSorted(
      (a, b) =>
        families.indexOf(a.addressType) - families.indexOf(b.addressType) ||
        (a.name < b.name ? -1 : 1),
    );
}

/** The port to use; undefined if the slice does not have it, a text if it is ambiguous. */
function portOf(
  ports: readonly SlicePort[],
  wanted: string | undefined,
): number | string | undefined {
  if (wanted === undefined) {
    const [only, other] = ports;
    if (only === undefined) return undefined;
    if (other === undefined) return only.port ?? "it applies to all ports: name one";
    return `its ports are ${ports.map(({ name, port }) => `${name} (${port})`).join(", ")}: name one`;
  }
  const number = /^\d+$/.test(wanted) ? Number(wanted) : undefined;
  for (const { name, port } of ports) {
    if (name === wanted) return port;
    if (number !== undefined && (port === number || port === undefined)) return number;
  }
  return undefined;
}

function specOf(
  { endpoint, port }: ListedEndpoint,
  name: string,
  { namespace, podOf }: SliceSelection,
): EndpointSpec {
  const { address, zone, nodeName } = endpoint;
  const pod = endpoint.pod === undefined ? undefined : podOf(namespace, endpoint.pod.name);
  const joined = pod?.uid === endpoint.pod?.uid ? pod : undefined;
  const drain = drainOf(endpoint) ?? joined?.doom;
  return {
    id: `${namespace}/${name}`,
    namespace,
    name,
    address,
    port,
    labels: {
      ...(zone === undefined ? {} : { [zoneLabel]: zone }),
      ...(nodeName === undefined ? {} : { [hostLabel]: nodeName }),
      ...joined?.labels,
    },
    incarnation: endpoint.pod?.uid ?? "",
    ...(endpoint.pod === undefined ? {} : { podName: endpoint.pod.name }),
    ...(joined === undefined || joined.nodeAddress === ""
      ? {}
      : { nodeAddress: joined.nodeAddress }),
    ...(joined?.metrics === undefined ? {} : { metrics: joined.metrics }),
    ...(drain === undefined ? {} : { drain }),
    ...(joined?.createdAtMs === undefined ? {} : { createdAtMs: joined.createdAtMs }),
  };
}

function drainOf({ isReady, isTerminating }: SliceEndpoint): EndpointSpec["drain"] {
  if (isTerminating) return "terminating";
  return isReady ? undefined : "not-ready";
}
