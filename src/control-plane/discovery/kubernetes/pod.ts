import { z } from "zod";
import type { MetricsAddress } from "../../../core/endpoint.ts";
import type { KubeObject } from "../../kubernetes/kube-api.ts";
import { metricsAddressOf } from "./metrics-annotations.ts";

/** Fields of a Pod that are read; unknown fields and values are ignored. */
export interface Pod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty until the pod has an address. */
  readonly address: string;
  /** Address of its node; empty until it has one. */
  readonly nodeAddress: string;
  readonly phase: string;
  readonly isReady: boolean;
  /** Its deletion has been requested; a finalizer may keep the object for long. */
  readonly isDeleted: boolean;
  /** A controller has decided to end the pod but has not requested its deletion yet. */
  readonly doom: "preempted" | "disrupted" | undefined;
  /** A scheduling gate holds it back, such as Kueue's. */
  readonly isGated: boolean;
  /** Milliseconds since the Unix epoch; undefined if the object does not have it. */
  readonly createdAtMs: number | undefined;
  /**
   * The ports that it declares on the network of its node; undefined for a pod with an address of
   * its own, or one that declares none.
   */
  readonly nodePorts: readonly number[] | undefined;
  /** The annotation that restricts a pod to some of the pool's ports; undefined if there is none. */
  readonly activePorts: string | undefined;
  /** Address of its metrics, from its annotations. */
  readonly metrics: MetricsAddress | undefined;
}

const texts = z.record(z.string(), z.string());

const containers = z
  .array(z.object({ ports: z.array(z.object({ containerPort: z.number() })).nullish() }))
  .nullish();

const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    labels: texts.nullish(),
    annotations: texts.nullish(),
    creationTimestamp: z.string().nullish(),
    deletionTimestamp: z.string().nullish(),
  }),
  spec: z
    .object({ hostNetwork: z.boolean().nullish(), containers, initContainers: containers })
    .nullish(),
  status: z
    .object({
      phase: z.string().nullish(),
      podIP: z.string().nullish(),
      hostIP: z.string().nullish(),
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: z.string().nullish() }))
        .nullish(),
    })
    .nullish(),
});

/** Annotations with the ports of a pod, in order of precedence. */
const activePortsAnnotations = [
  "llm-d.ai/active-ports",
  "inference.networking.k8s.io/active-ports",
] as const;

/** Kueue's own condition on pods it evicts; Kubernetes' is `DisruptionTarget`. */
const preemptedCondition = "TerminationTarget";
const disruptedCondition = "DisruptionTarget";

/** A Pod of the API server; undefined if it is not a Pod. */
export function podOf(object: KubeObject): Pod | undefined {
  const parsed = podSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { metadata, spec, status } = parsed.data;
  const conditions = status?.conditions ?? [];
  const isTrue = (name: string) =>
    conditions.some(({ type, status: value }) => type === name && value === "True");
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    name: metadata.name,
    labels: metadata.labels ?? {},
    address: status?.podIP ?? "",
    nodeAddress: status?.hostIP ?? "",
    phase: status?.phase ?? "",
    isReady: isTrue("Ready"),
    isDeleted: metadata.deletionTimestamp != null,
    doom: doomOf(isTrue),
    isGated: conditions.some(
      ({ type, reason }) => type === "PodScheduled" && reason === "SchedulingGated",
    ),
    createdAtMs: millisecondsOf(metadata.creationTimestamp),
    nodePorts: nodePortsOf(spec),
    activePorts: activePortsOf(metadata.annotations ?? {}),
    metrics: metricsAddressOf(metadata.annotations ?? {}),
  };
}

function millisecondsOf(timestamp: string | null | undefined): number | undefined {
  const ms = Date.parse(timestamp ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

function nodePortsOf(spec: z.infer<typeof podSchema>["spec"]): readonly number[] | undefined {
  if (spec?.hostNetwork !== true) return undefined;
  const ports = [...(spec.containers ?? []), ...(spec.initContainers ?? [])].flatMap(
    (container) => container.ports?.map(({ containerPort }) => containerPort) ?? [],
  );
  return ports.length === 0 ? undefined : ports;
}

function doomOf(isTrue: (condition: string) => boolean): Pod["doom"] {
  if (isTrue(preemptedCondition)) return "preempted";
  return isTrue(disruptedCondition) ? "disrupted" : undefined;
}

function activePortsOf(annotations: Readonly<Record<string, string>>): string | undefined {
  for (const name of activePortsAnnotations) {
    const ports = annotations[name];
    if (ports !== undefined) return ports;
  }
  return undefined;
}
