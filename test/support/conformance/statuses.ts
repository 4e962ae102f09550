import { isDeepStrictEqual } from "node:util";
import type { Condition, Gateway, HttpRoute, InferencePool, ParentStatus } from "./kinds.ts";
import {
  type ClusterView,
  findPool,
  hostnamesAt,
  isGateway,
  parentsOf,
  poolRefsOf,
} from "./routing.ts";

export const controllerName = "pointsman.test/gateway";

type Wanted = Pick<Condition, "type" | "status" | "reason">;

/** The status of a Gateway: programmed, with an address, once its proxy is ready there. */
export function gatewayStatus(gateway: Gateway, address: string | undefined): object {
  const isUp = address !== undefined;
  return {
    addresses: isUp ? [{ type: "IPAddress", value: address }] : [],
    conditions: conditionsOf(gateway, gateway.status?.conditions, [
      { type: "Accepted", status: "True", reason: "Accepted" },
      {
        type: "Programmed",
        status: isUp ? "True" : "False",
        reason: isUp ? "Programmed" : "Pending",
      },
    ]),
  };
}

/** What becomes of a route at each Gateway that it names and that is ours. */
export function routeParents(route: HttpRoute, view: ClusterView): readonly ParentStatus[] {
  return parentsOf(route).flatMap((parentRef) => {
    const gateway = view.gateways.find((each) => isGateway(each, route, parentRef));
    if (gateway === undefined) return [];
    const previous = route.status?.parents?.find((each) =>
      isDeepStrictEqual(each.parentRef, parentRef),
    );
    return [
      {
        parentRef,
        controllerName,
        conditions: conditionsOf(route, previous?.conditions, [
          acceptance(gateway, route),
          resolution(route, view),
        ]),
      },
    ];
  });
}

/** An entry for each Gateway that has a route to the pool. */
export function poolParents(pool: InferencePool, view: ClusterView): readonly ParentStatus[] {
  const { name, namespace } = pool.metadata;
  const isTo = (route: HttpRoute) =>
    poolRefsOf(route).some(
      (ref) => ref.name === name && (ref.namespace ?? route.metadata.namespace) === namespace,
    );
  const routes = view.routes.filter(isTo);
  return view.gateways
    .filter((gateway) =>
      routes.some((route) => parentsOf(route).some((ref) => isGateway(gateway, route, ref))),
    )
    .map(({ metadata }) => {
      const previous = pool.status?.parents?.find(
        ({ parentRef: { name: known, namespace: knownNamespace } }) =>
          known === metadata.name && knownNamespace === metadata.namespace,
      );
      return {
        parentRef: {
          group: "gateway.networking.k8s.io",
          kind: "Gateway",
          name: metadata.name,
          namespace: metadata.namespace,
        },
        controllerName,
        conditions: conditionsOf(pool, previous?.conditions, poolConditions(pool, view)),
      };
    });
}

function acceptance(gateway: Gateway, route: HttpRoute): Wanted {
  return hostnamesAt(gateway, route).length > 0
    ? { type: "Accepted", status: "True", reason: "Accepted" }
    : { type: "Accepted", status: "False", reason: "NoMatchingListenerHostname" };
}

function resolution(route: HttpRoute, view: ClusterView): Wanted {
  const isMissing = poolRefsOf(route).some(
    ({ name, namespace = route.metadata.namespace }) =>
      findPool(namespace, name, view).kind === "missing",
  );
  return isMissing
    ? { type: "ResolvedRefs", status: "False", reason: "BackendNotFound" }
    : { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs" };
}

function poolConditions({ metadata }: InferencePool, view: ClusterView): readonly Wanted[] {
  const { kind } = findPool(metadata.namespace, metadata.name, view);
  return [
    kind === "no picker named"
      ? { type: "Accepted", status: "False", reason: "EndpointPickerRefMissing" }
      : { type: "Accepted", status: "True", reason: "Accepted" },
    kind === "found"
      ? { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs" }
      : { type: "ResolvedRefs", status: "False", reason: "InvalidExtensionRef" },
  ];
}

/** A condition that stays as it was keeps the time since when it is so. */
function conditionsOf(
  { metadata }: Gateway | HttpRoute | InferencePool,
  previous: readonly Condition[] | undefined,
  wanted: readonly Wanted[],
): readonly Condition[] {
  return wanted.map(({ type, status, reason }) => {
    const known = previous?.find((each) => each.type === type);
    const isSame = known?.status === status && known.reason === reason;
    return {
      type,
      status,
      reason,
      message: "",
      observedGeneration: metadata.generation,
      lastTransitionTime: isSame ? known.lastTransitionTime : new Date().toISOString(),
    };
  });
}
