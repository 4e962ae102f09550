import type { HostPort } from "../../../src/demo/envoy-config.ts";
import type {
  BackendRef,
  EndpointSlice,
  Gateway,
  HttpRoute,
  InferencePool,
  ParentRef,
  Pod,
  Service,
} from "./kinds.ts";

/** Everything of the cluster that a gateway looks at. */
export interface ClusterView {
  readonly gateways: readonly Gateway[];
  readonly routes: readonly HttpRoute[];
  readonly pools: readonly InferencePool[];
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
}

/** What a gateway does with requests of one hostname (`*` for all) and path. */
export interface RoutedRule {
  readonly hostname: string;
  readonly pathPrefix: string;
  readonly answer: RuleAnswer;
}

type RuleAnswer =
  | { readonly kind: "pools"; readonly pools: readonly WeightedPool[] }
  | { readonly kind: "refuse"; readonly status: number };

interface WeightedPool {
  readonly pool: RoutedPool;
  readonly weight: number;
}

/** A pool, and the picker that is asked for it. */
export interface RoutedPool {
  readonly name: string;
  readonly hosts: readonly HostPort[];
  readonly speaksH2c: boolean;
  readonly pickers: readonly HostPort[];
  readonly failsOpen: boolean;
}

export type FoundPool =
  | { readonly kind: "missing" }
  | { readonly kind: "no picker named" }
  | { readonly kind: "no such Service" }
  | { readonly kind: "found"; readonly pool: RoutedPool };

/** The rules of all routes that have this Gateway for a parent. */
export function rulesOf(gateway: Gateway, view: ClusterView): readonly RoutedRule[] {
  return view.routes
    .filter((route) => parentsOf(route).some((ref) => isGateway(gateway, route, ref)))
    .flatMap((route) => rulesOfRoute(route, hostnamesAt(gateway, route), view));
}

export function parentsOf(route: HttpRoute): readonly ParentRef[] {
  return route.spec.parentRefs ?? [];
}

export function isGateway({ metadata }: Gateway, route: HttpRoute, ref: ParentRef): boolean {
  const namespace = ref.namespace ?? route.metadata.namespace;
  return ref.name === metadata.name && namespace === metadata.namespace;
}

/** The hostnames that the route and the first listener, which is the only one, have in common. */
export function hostnamesAt(gateway: Gateway, route: HttpRoute): readonly string[] {
  const listened = gateway.spec.listeners[0]?.hostname;
  const { hostnames = [] } = route.spec;
  if (hostnames.length === 0) return [listened ?? "*"];
  return hostnames.filter((hostname) => listened === undefined || hostname === listened);
}

export function poolRefsOf(route: HttpRoute): readonly BackendRef[] {
  return (route.spec.rules ?? [])
    .flatMap(({ backendRefs = [] }) => backendRefs)
    .filter(({ kind }) => kind === "InferencePool");
}

export function findPool(namespace: string, name: string, view: ClusterView): FoundPool {
  const pool = view.pools.find((each) => isNamed(each, namespace, name));
  if (pool === undefined) return { kind: "missing" };
  const { endpointPickerRef: ref, targetPorts, appProtocol, selector } = pool.spec;
  if (ref === undefined) return { kind: "no picker named" };
  const service = view.services.find((each) => isNamed(each, namespace, ref.name));
  if (service === undefined) return { kind: "no such Service" };
  const addresses = view.pods
    .filter((pod) => pod.metadata.namespace === namespace && isReady(pod))
    .filter(({ metadata: { labels = {} } }) =>
      Object.entries(selector.matchLabels).every(([key, value]) => labels[key] === value),
    )
    .flatMap(({ status }) => status?.podIP ?? []);
  return {
    kind: "found",
    pool: {
      name: `${namespace}.${name}`,
      hosts: addresses.flatMap((address) =>
        targetPorts.map(({ number }) => ({ address, port: number })),
      ),
      speaksH2c: appProtocol === "kubernetes.io/h2c",
      pickers: endpointsOf(service, ref.port.number, view.slices),
      failsOpen: ref.failureMode === "FailOpen",
    },
  };
}

export function isReady({ metadata, status }: Pod): boolean {
  const { conditions = [] } = status ?? {};
  return (
    metadata.deletionTimestamp === undefined &&
    conditions.some((each) => each.type === "Ready" && each.status === "True")
  );
}

function rulesOfRoute(
  route: HttpRoute,
  hostnames: readonly string[],
  view: ClusterView,
): readonly RoutedRule[] {
  return (route.spec.rules ?? []).flatMap(({ matches = [{}], backendRefs = [] }) => {
    const answer = answerOf(backendRefs, route.metadata.namespace, view);
    return matches.flatMap(({ path }) =>
      hostnames.map((hostname) => ({ hostname, pathPrefix: path?.value ?? "/", answer })),
    );
  });
}

/** A rule with a backend that is not to be had answers all its requests with an error. */
function answerOf(refs: readonly BackendRef[], namespace: string, view: ClusterView): RuleAnswer {
  const pools: WeightedPool[] = [];
  for (const { kind, name, namespace: own = namespace, weight = 1 } of refs) {
    if (kind !== "InferencePool") return { kind: "refuse", status: 500 };
    const found = findPool(own, name, view);
    if (found.kind === "missing") return { kind: "refuse", status: 500 };
    if (found.kind !== "found") return { kind: "refuse", status: 503 };
    pools.push({ pool: found.pool, weight });
  }
  return pools.length === 0 ? { kind: "refuse", status: 500 } : { kind: "pools", pools };
}

/** The ready endpoints of a Service's port. */
function endpointsOf(
  { metadata, spec }: Service,
  port: number,
  slices: readonly EndpointSlice[],
): readonly HostPort[] {
  const portName = spec.ports.find((each) => each.port === port)?.name ?? "";
  return slices
    .filter((slice) => slice.metadata.namespace === metadata.namespace)
    .filter(({ metadata: { labels } }) => labels?.["kubernetes.io/service-name"] === metadata.name)
    .flatMap(({ ports, endpoints }) => {
      const target = ports?.find(({ name = "" }) => name === portName);
      if (target === undefined) return [];
      return (endpoints ?? [])
        .filter(({ conditions }) => conditions.ready !== false)
        .flatMap(({ addresses }) => addresses)
        .map((address) => ({ address, port: target.port }));
    });
}

function isNamed(object: InferencePool | Service, namespace: string, name: string): boolean {
  return object.metadata.namespace === namespace && object.metadata.name === name;
}
