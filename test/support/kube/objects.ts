import { z } from "zod";
import type { KubeObject } from "./client.ts";

type Labels = Readonly<Record<string, string>>;

const now = "2026-01-01T00:00:00Z";

export function aNamespace(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

interface PodParts {
  readonly name: string;
  readonly namespace: string;
  /** Any address, loopback too; a pod without one has not been started. */
  readonly ip?: string;
  readonly ready?: boolean;
  readonly labels?: Labels;
  readonly annotations?: Labels;
  /** A pod on a node stays in Terminating when it is deleted; one without is gone at once. */
  readonly nodeName?: string;
}

/** A pod with one container and the status a kubelet would give it: Ready once it has an address. */
export function aPod({ ip, ready = ip !== undefined, nodeName, ...names }: PodParts): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: metadataOf(names),
    spec: {
      containers: [{ name: "engine", image: "engine" }],
      ...(nodeName === undefined ? {} : { nodeName }),
    },
    status: podStatus(ip, ready),
  };
}

const templateSchema = z.object({
  metadata: z.object({ namespace: z.string() }),
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), z.string()) }),
      spec: z.record(z.string(), z.unknown()),
    }),
  }),
});

/** The pod that a Deployment describes, running on a node. */
export function aPodOf(
  deployment: object,
  { name, ip, nodeName }: Required<Pick<PodParts, "name" | "ip" | "nodeName">>,
): KubeObject {
  const { metadata, spec } = templateSchema.parse(deployment);
  const { labels } = spec.template.metadata;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels, namespace: metadata.namespace },
    spec: { ...spec.template.spec, nodeName },
    status: podStatus(ip, true),
  };
}

function podStatus(ip: string | undefined, ready: boolean): object {
  const status = ready ? "True" : "False";
  const conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map((type) => ({
    type,
    status: type.endsWith("Ready") ? status : "True",
    lastTransitionTime: now,
  }));
  return {
    phase: ip === undefined ? "Pending" : "Running",
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    conditions,
  };
}

interface PoolParts {
  readonly name: string;
  readonly namespace: string;
  readonly selector: Labels;
  readonly ports?: readonly number[];
  readonly picker?: string;
  readonly failureMode?: "FailOpen" | "FailClose";
}

/** An InferencePool of inference.networking.k8s.io/v1. */
export function anInferencePool(parts: PoolParts): KubeObject {
  const { name, namespace, selector, ports = [8000], picker = "picker" } = parts;
  const { failureMode = "FailClose" } = parts;
  return {
    apiVersion: "inference.networking.k8s.io/v1",
    kind: "InferencePool",
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: selector },
      targetPorts: ports.map((number) => ({ number })),
      endpointPickerRef: { name: picker, port: { number: 9002 }, failureMode },
    },
  };
}

/** An InferencePool of inference.networking.x-k8s.io/v1alpha2, which has one port. */
export function aLegacyInferencePool(parts: PoolParts): KubeObject {
  const { name, namespace, selector, ports = [8000], picker = "picker" } = parts;
  const { failureMode = "FailClose" } = parts;
  return {
    apiVersion: "inference.networking.x-k8s.io/v1alpha2",
    kind: "InferencePool",
    metadata: { name, namespace },
    spec: {
      selector,
      targetPortNumber: ports[0],
      extensionRef: { name: picker, portNumber: 9002, failureMode },
    },
  };
}

interface Named {
  readonly name: string;
  readonly namespace: string;
}

/** `llm-d.ai` or, for the older group, `inference.networking.x-k8s.io`. */
type ApiGroup = "llm-d.ai" | "inference.networking.x-k8s.io";

interface PolicyParts extends Named {
  readonly pool: string;
  readonly group?: ApiGroup;
}

export function anInferenceObjective(
  parts: PolicyParts & { readonly priority?: number },
): KubeObject {
  const { pool, priority } = parts;
  return {
    ...policy("InferenceObjective", parts),
    spec: { poolRef: { name: pool }, ...(priority === undefined ? {} : { priority }) },
  };
}

interface RewriteRule {
  /** Every model where undefined. */
  readonly model?: string;
  readonly targets: readonly { readonly modelRewrite: string; readonly weight?: number }[];
}

export function anInferenceModelRewrite(
  parts: PolicyParts & { readonly rules: readonly RewriteRule[] },
): KubeObject {
  const rules = parts.rules.map(({ model, targets }) => ({
    ...(model === undefined ? {} : { matches: [{ model: { type: "Exact", value: model } }] }),
    targets,
  }));
  return {
    ...policy("InferenceModelRewrite", parts),
    spec: { poolRef: { name: parts.pool }, rules },
  };
}

function policy(kind: string, { name, namespace, group = "llm-d.ai" }: PolicyParts): KubeObject {
  return {
    apiVersion: `${group}/v1alpha2`,
    kind,
    metadata: { name, namespace },
  };
}

/** A Service without a cluster address; one without a selector has only slices that a test writes. */
export function aService(
  parts: Named & { readonly port: number; readonly selector?: Labels },
): KubeObject {
  const { name, namespace, port, selector } = parts;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: {
      clusterIP: "None",
      ports: [{ name: "http", port }],
      ...(selector === undefined ? {} : { selector }),
    },
  };
}

interface SliceParts extends Named {
  readonly service: string;
  readonly port: number;
  readonly endpoints: readonly SliceEndpoint[];
}

interface SliceEndpoint {
  /** Neither loopback nor link-local: the API server refuses those. */
  readonly address: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  /** The name of the pod behind it. */
  readonly pod?: string;
}

/** An EndpointSlice as the controller of EndpointSlices writes it. */
export function anEndpointSlice(parts: SliceParts): KubeObject {
  const { name, namespace, port } = parts;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: metadataOf({
      name,
      namespace,
      labels: { "kubernetes.io/service-name": parts.service },
    }),
    addressType: "IPv4",
    ports: [{ name: "http", port, protocol: "TCP" }],
    endpoints: parts.endpoints.map(
      ({ address, ready = true, serving = ready, terminating = false, pod: target }) => ({
        addresses: [address],
        conditions: { ready, serving, terminating },
        ...(target === undefined ? {} : { targetRef: { kind: "Pod", name: target, namespace } }),
      }),
    ),
  };
}

export function aConfigMap(parts: Named & { readonly data: Labels }): KubeObject {
  const { name, namespace, data } = parts;
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

export function aServiceAccount(parts: Named): KubeObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: metadataOf(parts) };
}

interface RoleRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

export function aRole(parts: Named & { readonly rules: readonly RoleRule[] }): KubeObject {
  const { name, namespace, rules } = parts;
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name, namespace },
    rules,
  };
}

/** Gives `role` to the ServiceAccount of the same namespace. */
export function aRoleBinding(
  parts: Named & { readonly role: string; readonly serviceAccount: string },
): KubeObject {
  const { name, namespace } = parts;
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name, namespace },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: parts.role },
    subjects: [{ kind: "ServiceAccount", name: parts.serviceAccount, namespace }],
  };
}

interface LeaseParts extends Named {
  readonly holder: string;
  readonly durationSeconds?: number;
  readonly renewedAt?: Date;
}

/** A Lease as its holder renews it. */
export function aLease(parts: LeaseParts): KubeObject {
  const { name, namespace, holder, durationSeconds = 15, renewedAt = new Date() } = parts;
  // The API server takes times with six digits after the point.
  const time = renewedAt.toISOString().replace("Z", "000Z");
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: durationSeconds,
      acquireTime: time,
      renewTime: time,
    },
  };
}

function metadataOf(
  parts: Named & { readonly labels?: Labels; readonly annotations?: Labels },
): KubeObject["metadata"] {
  const { name, namespace, labels, annotations } = parts;
  return {
    name,
    namespace,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}
