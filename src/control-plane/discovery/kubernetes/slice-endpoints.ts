import type { EndpointSpec } from "../../../state/membership.ts";
import type { EndpointSlice, SliceEndpoint, SlicePort } from "./endpoint-slice.ts";
import type { Exclusion, Membership } from "./membership.ts";
import type { Pod } from "./pod.ts";

/** Labels of nodes, which tell topology plugins where an endpoint runs. */
const zoneLabel = "topology.kubernetes.io/zone";
const hostLabel = "kubernetes.io/hostname";

export interface SliceSelection {
  readonly namespace: string;
  readonly slices: Iterable<EndpointSlice>;
  /** Name or number of the port; undefined for a Service that has one only. */
  readonly port: string | undefined;
  /** The pod behind an endpoint, where pods may be read. */
  readonly podOf: (namespace: string, name: string) => Pod | undefined;
}

export type SliceMembership =
  | ({ readonly kind: "known" } & Membership)
  | { readonly kind: "ambiguous"; readonly problem: string };

/**
 * The endpoints of a Service. One that stands in several slices, of both address families or while
 * it moves from one to another, is one endpoint; IPv4 is used where there are both.
 */
export function endpointsOfSlices(selection: SliceSelection): SliceMembership {
  const specs = new Map<string, EndpointSpec>();
  const excluded = new Map<string, Exclusion>();
  for (const slice of inOrder(selection.slices)) {
    const port = portOf(slice.ports, selection.port);
    if (typeof port === "string") return { kind: "ambiguous", problem: port };
    for (const endpoint of port === undefined ? [] : slice.endpoints) {
      const spec = specOf(endpoint, port ?? 0, selection);
      const known = specs.get(spec.id);
      if (known !== undefined && (known.drain === undefined || spec.drain !== undefined)) continue;
      specs.set(spec.id, spec);
      const { id, namespace, name, drain } = spec;
      if (drain === undefined) excluded.delete(id);
      else excluded.set(id, { namespace, name, reason: drain });
    }
  }
  return { kind: "known", specs: [...specs.values()], excluded: [...excluded.values()] };
}

const families = ["IPv4", "IPv6"];

/** The slices of addresses that can be dialled, IPv4 first, always in the same order. */
function inOrder(slices: Iterable<EndpointSlice>): EndpointSlice[] {
  return [...slices]
    .filter(({ addressType }) => families.includes(addressType))
    .toSorted(
      (a, b) =>
        families.indexOf(a.addressType) - families.indexOf(b.addressType) ||
        (a.name < b.name ? -1 : 1),
    );
}

/** The port to use; undefined where the slice does not have it, words where it is not clear. */
function portOf(
  ports: readonly SlicePort[],
  wanted: string | undefined,
): number | string | undefined {
  if (wanted === undefined) {
    const [only, other] = ports;
    if (only === undefined) return undefined;
    if (other === undefined) return only.port ?? "it is for all ports: name one";
    return `it has the ports ${ports.map(({ name, port }) => `${name} (${port})`).join(", ")}: name one`;
  }
  const number = /^\d+$/.test(wanted) ? Number(wanted) : undefined;
  for (const { name, port } of ports) {
    if (name === wanted) return port;
    if (number !== undefined && (port === number || port === undefined)) return number;
  }
  return undefined;
}

function specOf(
  endpoint: SliceEndpoint,
  port: number,
  { namespace, podOf }: SliceSelection,
): EndpointSpec {
  const { address, zone, nodeName } = endpoint;
  const name = endpoint.pod?.name ?? address;
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
  };
}

function drainOf({ isReady, isTerminating }: SliceEndpoint): EndpointSpec["drain"] {
  if (isTerminating) return "terminating";
  return isReady ? undefined : "not-ready";
}
