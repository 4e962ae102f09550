import {
  labelSelectorOf,
  type PoolSelection,
  poolSelectionOf,
  poolVersionsOf,
} from "../../control-plane/discovery/kubernetes/inference-pool.ts";
import { podOf } from "../../control-plane/discovery/kubernetes/pod.ts";
import {
  type KubeApi,
  KubeError,
  type KubeList,
  type KubeObject,
} from "../../control-plane/kubernetes/kube-api.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { flagsIn, type NeededRight, neededRights } from "./needed-rights.ts";

export interface ExaminedPool {
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
  /** Account of the picker; undefined to take that of its pods. */
  readonly account: { readonly namespace: string; readonly name: string } | undefined;
}

/** A condition that a gateway reports about the pool. */
export interface PoolCondition {
  readonly gateway: string;
  readonly type: string;
  readonly isTrue: boolean;
  readonly text: string;
}

interface PodCounts {
  readonly all: number;
  readonly ready: number;
}

/** The Service of the picker that the pool names. */
export type PickerService =
  | { readonly kind: "not-named" }
  | { readonly kind: "missing" | "unread"; readonly name: string; readonly reason: string }
  | {
      readonly kind: "read";
      readonly name: string;
      readonly hasPort: boolean;
      readonly port: number;
      /** Undefined for a Service without a selector. */
      readonly pods: PodCounts | undefined;
    };

type Account = NonNullable<ExaminedPool["account"]>;

/** Verbs that the picker lacks for a kind. */
export interface LackingRight extends NeededRight {
  readonly lacking: readonly string[];
}

type RightsFacts =
  | { readonly kind: "unknown"; readonly reason: string }
  | {
      readonly kind: "reviewed";
      readonly account: string;
      readonly lacking: readonly LackingRight[];
    };

/** One pool, with all that belongs to it in its cluster. */
export type ClusterFacts = { readonly subject: string } & (
  | { readonly kind: "missing" }
  | { readonly kind: "unread"; readonly reason: string }
  | { readonly kind: "invalid"; readonly version: string }
  | {
      readonly kind: "read";
      readonly selection: PoolSelection;
      /** A reason if they cannot be read. */
      readonly pods: PodCounts | string;
      /** Undefined if no gateway has written a status. */
      readonly conditions: readonly PoolCondition[] | undefined;
      readonly picker: PickerService;
      readonly rights: RightsFacts;
    }
);

/** Reads a pool, its pods, the picker that it names, and the rights of that picker. Never rejects. */
export async function examineCluster(api: KubeApi, asked: ExaminedPool): Promise<ClusterFacts> {
  const subject = `InferencePool ${asked.namespace}/${asked.name}`;
  let failure: unknown;
  for (const { group, version } of poolVersionsOf(asked.group)) {
    try {
      const at = `/apis/${group}/${version}/namespaces/${asked.namespace}/inferencepools/${asked.name}`;
      const pool = await api.get(at);
      return { subject, ...(await factsOf(api, asked, { pool, group, version })) };
    } catch (cause) {
      // Its kind, or the pool, is not there in this version.
      if (!isMissing(cause)) failure ??= cause;
    }
  }
  if (failure === undefined) return { subject, kind: "missing" };
  return { subject, kind: "unread", reason: reasonOf(failure) };
}

interface FoundPool {
  readonly pool: KubeObject;
  readonly group: string;
  readonly version: string;
}

async function factsOf(api: KubeApi, asked: ExaminedPool, { pool, group, version }: FoundPool) {
  const selection = poolSelectionOf(pool);
  if (selection === undefined) return { kind: "invalid", version: `${group}/${version}` } as const;
  const found = await podsOf(api, asked.namespace, selection.labelSelector).catch(reasonOf);
  const { picker, account, flags = new Map() } = await pickerOf(api, asked, pool);
  return {
    kind: "read",
    selection,
    pods: typeof found === "string" ? found : countsOf(found),
    conditions: conditionsIn(pool),
    picker,
    rights: await rightsOf(api, asked.account ?? account, neededRights({ ...asked, group, flags })),
  } as const;
}

async function podsOf(api: KubeApi, namespace: string, labelSelector: string) {
  const list = await api.get(`/api/v1/namespaces/${namespace}/pods`, { labelSelector });
  // The API server answers such a request with a list.
  return (list as KubeList).items ?? [];
}

function countsOf(pods: readonly KubeObject[]): PodCounts {
  const known = pods.map(podOf).filter((pod) => pod !== undefined);
  return { all: pods.length, ready: known.filter(({ isReady }) => isReady).length };
}

interface FoundPicker {
  readonly picker: PickerService;
  readonly account?: Account;
  /** Of one of its pods. */
  readonly flags?: ReadonlyMap<string, string>;
}

async function pickerOf(
  api: KubeApi,
  { namespace }: ExaminedPool,
  pool: KubeObject,
): Promise<FoundPicker> {
  const ref = fieldOf(pool, "spec", "endpointPickerRef") ?? fieldOf(pool, "spec", "extensionRef");
  const name = textOf(fieldOf(ref, "name"));
  if (name === undefined) return { picker: { kind: "not-named" } };
  const port = Number(fieldOf(ref, "port", "number") ?? fieldOf(ref, "portNumber") ?? 9002);
  try {
    const service = await api.get(`/api/v1/namespaces/${namespace}/services/${name}`);
    const ports = listOf(fieldOf(service, "spec", "ports"));
    const hasPort = ports.some((each) => fieldOf(each, "port") === port);
    const selector = selectorText(fieldOf(service, "spec", "selector"));
    const pods = selector === undefined ? undefined : await podsOf(api, namespace, selector);
    const account = textOf(fieldOf(pods?.[0], "spec", "serviceAccountName"));
    return {
      picker: { kind: "read", name, hasPort, port, pods: pods && countsOf(pods) },
      ...(account === undefined ? {} : { account: { namespace, name: account } }),
      flags: pickerFlagsIn(pods?.[0], namespace),
    };
  } catch (cause) {
    const kind = isMissing(cause) ? "missing" : "unread";
    return { picker: { kind, name, reason: reasonOf(cause) } };
  }
}

/** Flags of the container that follows a pool. */
function pickerFlagsIn(pod: unknown, namespace: string): ReadonlyMap<string, string> {
  const all = listOf(fieldOf(pod, "spec", "containers")).map((container) =>
    flagsIn(
      ["command", "args"].flatMap((field) => listOf(fieldOf(container, field)).map(String)),
      namespace,
    ),
  );
  return all.find((flags) => flags.has("pool-name")) ?? new Map();
}

async function rightsOf(
  api: KubeApi,
  account: Account | undefined,
  needed: readonly NeededRight[],
): Promise<RightsFacts> {
  if (account === undefined) {
    return {
      kind: "unknown",
      reason: "no pod of the picker was found; name its account with --service-account",
    };
  }
  try {
    const all = await Promise.all(needed.map((right) => lackingOf(api, right, account)));
    const lacking = all.filter((right) => right.lacking.length > 0);
    return { kind: "reviewed", account: `${account.namespace}/${account.name}`, lacking };
  } catch (cause) {
    return { kind: "unknown", reason: reasonOf(cause) };
  }
}

async function lackingOf(
  api: KubeApi,
  right: NeededRight,
  account: Account,
): Promise<LackingRight> {
  const { verbs } = right;
  const isAllowedTo = await Promise.all(
    verbs.map((verb) => isAllowed(api, { ...right, verb }, account)),
  );
  return { ...right, lacking: verbs.filter((_, index) => isAllowedTo[index] !== true) };
}

async function isAllowed(
  api: KubeApi,
  { namespace, group, resource, name, verb }: NeededRight & { readonly verb: string },
  account: Account,
): Promise<boolean> {
  const review = await api.create({
    path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    body: {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: {
        user: `system:serviceaccount:${account.namespace}:${account.name}`,
        groups: [
          "system:serviceaccounts",
          `system:serviceaccounts:${account.namespace}`,
          "system:authenticated",
        ],
        resourceAttributes: { namespace, group, resource, name, verb },
      },
    },
  });
  return fieldOf(review, "status", "allowed") === true;
}

/** Conditions of all gateways; undefined without any. */
function conditionsIn(pool: KubeObject): readonly PoolCondition[] | undefined {
  const status = fieldOf(pool, "status");
  const parents = listOf(fieldOf(status, "parents") ?? fieldOf(status, "parent"));
  // The API server writes such a parent itself, before any gateway has seen the pool.
  const named = parents.filter((parent) => refOf(parent).kind !== "Status");
  if (named.length === 0) return undefined;
  return named.flatMap((parent) =>
    listOf(fieldOf(parent, "conditions")).map((condition) => ({
      gateway: refOf(parent).name,
      type: textOf(fieldOf(condition, "type")) ?? "",
      isTrue: fieldOf(condition, "status") === "True",
      text: textOf(fieldOf(condition, "message")) ?? textOf(fieldOf(condition, "reason")) ?? "",
    })),
  );
}

function refOf(parent: unknown): { readonly kind: string | undefined; readonly name: string } {
  const ref = fieldOf(parent, "parentRef") ?? fieldOf(parent, "gatewayRef");
  return { kind: textOf(fieldOf(ref, "kind")), name: textOf(fieldOf(ref, "name")) ?? "a gateway" };
}

function isMissing(cause: unknown): boolean {
  return cause instanceof KubeError && cause.httpStatus === 404;
}

/** A value inside an object of the API server; undefined if any part of the path is missing. */
function fieldOf(value: unknown, ...path: readonly string[]): unknown {
  let inner = value;
  for (const name of path) {
    if (typeof inner !== "object" || inner === null) return undefined;
    inner = Reflect.get(inner, name);
  }
  return inner;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function selectorText(selector: unknown): string | undefined {
  if (typeof selector !== "object" || selector === null) return undefined;
  // Labels of the API server are texts.
  const text = labelSelectorOf(selector as Readonly<Record<string, string>>);
  return text === "" ? undefined : text;
}
