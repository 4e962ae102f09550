import { hostPortOf } from "../../../std/host-port.ts";
import type { EndpointSpec } from "../../../state/membership.ts";
import type { Exclusion, Membership } from "./membership.ts";
import type { Pod } from "./pod.ts";
import { groupOf } from "./worker-groups.ts";

export interface PodSelection {
  readonly pods: Iterable<Pod>;
  /** Each port of a pod is an endpoint of its own: a data-parallel rank. */
  readonly targetPorts: readonly number[];
  /** Groups of pods that end together because one of them is about to end. */
  readonly doomedGroups: ReadonlyMap<string, NonNullable<Pod["doom"]>>;
}

/**
 * The endpoints of pods.
 *
 * A pod takes requests while it is Ready and nothing is about to end it. A pod that is not Ready,
 * or that is being deleted, is not added. If it is in the pool already it stays and takes no new
 * requests, so that a short lapse of readiness costs no prefixes.
 */
export function endpointsOfPods({ pods, targetPorts, doomedGroups }: PodSelection): Membership {
  const specs: EndpointSpec[] = [];
  const excluded: Exclusion[] = [];
  const declared: DeclaredPorts = new Map();
  const sharing: { readonly pod: Pod; readonly made: Membership }[] = [];
  for (const pod of pods) {
    const drain = drainOf(pod, doomedGroups);
    const made = madeOf(pod, { targetPorts, drain });
    excluded.push(...made.excluded);
    const owned = made.specs.filter(({ port }) => pod.nodePorts?.includes(port));
    if (owned.length === 0) specs.push(...made.specs);
    else sharing.push({ pod, made });
    for (const { port } of owned) {
      const hostPort = hostPortOf(pod.address, port);
      declared.set(hostPort, (declared.get(hostPort) ?? new Set()).add(pod));
    }
  }
  for (const { pod, made } of sharing) {
    specs.push(...made.specs.filter(({ port }) => isOwnPort(pod, port, declared)));
  }
  return { specs, excluded };
}

/** By address and port of a node, the pods of the pool that declare the port. */
type DeclaredPorts = Map<string, Set<Pod>>;

/**
 * True if a port of the pool belongs to the pod. Pods that share the network of a node divide the
 * pool's ports among them: a port that another pod declares and this one does not is the other
 * one's.
 */
function isOwnPort(pod: Pod, port: number, declared: DeclaredPorts): boolean {
  const owners = declared.get(hostPortOf(pod.address, port));
  return owners === undefined || owners.has(pod);
}

interface PodUse {
  readonly targetPorts: readonly number[];
  readonly drain: EndpointSpec["drain"] | undefined;
}

/** Last result for each pod, since usually one pod of a thousand has changed. */
const lastMade = new WeakMap<Pod, { readonly use: PodUse; readonly made: Membership }>();

function madeOf(pod: Pod, use: PodUse): Membership {
  const last = lastMade.get(pod);
  if (last?.use.targetPorts === use.targetPorts && last.use.drain === use.drain) return last.made;
  const made = membershipOf(pod, use);
  lastMade.set(pod, { use, made });
  return made;
}

/** The endpoints of one pod, or the reason why it gets no requests. */
function membershipOf(pod: Pod, { targetPorts, drain }: PodUse): Membership {
  const { namespace, name } = pod;
  const reason = absenceOf(pod);
  if (reason !== undefined) return { specs: [], excluded: [{ namespace, name, reason }] };
  const active = activeIndexes(pod, targetPorts);
  if (active.length === 0) {
    const detail = `active-ports: ${JSON.stringify(pod.activePorts)}`;
    return { specs: [], excluded: [{ namespace, name, reason: "no-active-port", detail }] };
  }
  return {
    specs: active.map((index) =>
      specOf(pod, {
        index,
        port: targetPorts[index] ?? 0,
        drain,
        metrics: metricsOf(pod, active.length),
      }),
    ),
    excluded: drain === undefined ? [] : [{ namespace, name, reason: drain }],
  };
}

/** The reason why a pod cannot be an endpoint; undefined if it can. */
function absenceOf({ phase, address, isGated }: Pod): Exclusion["reason"] | undefined {
  if (phase === "Succeeded" || phase === "Failed") return "finished";
  if (isGated) return "gated";
  return address === "" ? "no-address" : undefined;
}

/** The reason why a pod that is an endpoint takes no new requests. */
function drainOf(
  pod: Pod,
  doomedGroups: PodSelection["doomedGroups"],
): EndpointSpec["drain"] | undefined {
  if (pod.isDeleted) return "terminating";
  if (!pod.isReady) return "not-ready";
  const group = groupOf(pod);
  return pod.doom ?? (group === undefined ? undefined : doomedGroups.get(group));
}

/** Indexes of the pool's ports that a pod serves: all, unless its annotation names some. */
function activeIndexes({ activePorts }: Pod, targetPorts: readonly number[]): number[] {
  const indexes = [...targetPorts.keys()];
  if (activePorts === undefined) return indexes;
  const named = new Set(activePorts.split(",").map((port) => port.trim()));
  return indexes.filter((index) => named.has(String(targetPorts[index])));
}

/** Undefined for one metrics port of several ranks: each rank would report the load of all. */
function metricsOf({ metrics }: Pod, ranks: number): EndpointSpec["metrics"] {
  if (metrics === undefined || ranks === 1) return metrics;
  const { scheme, path } = metrics;
  return scheme === undefined && path === undefined ? undefined : { scheme, path };
}

interface Rank {
  readonly index: number;
  readonly port: number;
  readonly metrics: EndpointSpec["metrics"] | undefined;
  readonly drain: EndpointSpec["drain"] | undefined;
}

function specOf(pod: Pod, { index, port, drain, metrics }: Rank): EndpointSpec {
  const { namespace, uid, address, nodeAddress, labels, createdAtMs } = pod;
  // The name in llm-d-router, which its dashboards show.
  const name = `${pod.name}-rank-${index}`;
  return {
    id: `${namespace}/${name}`,
    namespace,
    name,
    address,
    port,
    labels,
    incarnation: uid,
    podName: pod.name,
    ...(nodeAddress === "" ? {} : { nodeAddress }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(drain === undefined ? {} : { drain }),
    ...(createdAtMs === undefined ? {} : { createdAtMs }),
  };
}
