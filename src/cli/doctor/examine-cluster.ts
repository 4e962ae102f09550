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
import { reading } from "./lacking-right.ts";

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

/** A kind of object that the picker needs to read, or works better with. */
interface NeededKind {
  readonly group: string;
  readonly resource: string;
  readonly isRequired: boolean;
}

/** An account that reads a namespace. */
interface Reader {
  readonly namespace: string;
  readonly account: NonNullable<ExaminedPool["account"]>;
}

/** Verbs that the picker lacks for a kind. */
export interface LackingRight extends NeededKind {
  readonly verbs: readonly string[];
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
  const { picker, account } = await pickerOf(api, asked, pool);
  return {
    kind: "read",
    selection,
    pods: typeof found === "string" ? found : countsOf(found),
    conditions: conditionsIn(pool),
    picker,
    rights: await rightsOf(api, { ...asked, group, account: asked.account ?? account }),
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

async function pickerOf(
  api: KubeApi,
  { namespace }: ExaminedPool,
  pool: KubeObject,
): Promise<{ readonly picker: PickerService; readonly account?: ExaminedPool["account"] }> {
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
    };
  } catch (cause) {
    const kind = isMissing(cause) ? "missing" : "unread";
    return { picker: { kind, name, reason: reasonOf(cause) } };
  }
}

async function rightsOf(
  api: KubeApi,
  { group, namespace, account }: ExaminedPool,
): Promise<RightsFacts> {
  if (account === undefined) {
    return {
      kind: "unknown",
      reason: "no pod of the picker was found; name its account with --service-account",
    };
  }
  try {
    const all = await Promise.all(
      neededKinds(group).map((kind) => lackingOf(api, kind, { namespace, account })),
    );
    const lacking = all.filter(({ verbs }) => verbs.length > 0);
    return { kind: "reviewed", account: `${account.namespace}/${account.name}`, lacking };
  } catch (cause) {
    return { kind: "unknown", reason: reasonOf(cause) };
  }
}

async function lackingOf(api: KubeApi, kind: NeededKind, reader: Reader): Promise<LackingRight> {
  const isAllowedTo = await Promise.all(
    reading.map((verb) => isAllowed(api, { ...kind, verb }, reader)),
  );
  return { ...kind, verbs: reading.filter((_, index) => isAllowedTo[index] !== true) };
}

function neededKinds(poolGroup: string): readonly NeededKind[] {
  return [
    { group: "", resource: "pods", isRequired: true },
    { group: poolGroup, resource: "inferencepools", isRequired: true },
    { group: "llm-d.ai", resource: "inferenceobjectives", isRequired: false },
    { group: "llm-d.ai", resource: "inferencemodelrewrites", isRequired: false },
  ];
}

async function isAllowed(
  api: KubeApi,
  { group, resource, verb }: NeededKind & { readonly verb: string },
  { namespace, account }: Reader,
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
        resourceAttributes: { namespace, group, resource, verb },
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
