/**
 * Why an endpoint takes no new requests. `drain-label`: an operator said so. `not-ready`: it was ready
 * before. `terminating`: it is being deleted. `preempted` and `disrupted`: a queueing system, or the
 * cluster, is about to end it.
 */
export const drainReasons = [
  "drain-label",
  "not-ready",
  "terminating",
  "preempted",
  "disrupted",
] as const;
export type DrainReason = (typeof drainReasons)[number];

/** Address of metrics, as far as it differs from the default. */
export interface MetricsAddress {
  readonly scheme?: "http" | "https" | undefined;
  readonly path?: string | undefined;
  readonly port?: number | undefined;
}

/** One address and port that serves a model. Immutable; what changes lies in the load columns. */
export interface Endpoint {
  /** `namespace/name`, unique in the pool. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** An IP literal, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Value of the destination header: `ip:port`, IPv6 in brackets. */
  readonly hostPort: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Tells it from an earlier or later endpoint of the same name and address. */
  readonly incarnation?: string;
  /** The pod that it is a port of, if any. */
  readonly podName?: string;
  /** IP address of the machine that it runs on, if the source knows it. */
  readonly nodeAddress?: string;
  /** Address of its metrics, from its pod's annotations. */
  readonly metrics?: MetricsAddress;
  /** Why its source wants no new requests for it. */
  readonly drain?: DrainReason;
  /** Index of this endpoint's row in every load column, for as long as the endpoint lives. */
  readonly slot: number;
}

/** The parts of an endpoint that say whether it takes requests. */
type Drainable = Pick<Endpoint, "labels" | "drain">;

/** A label that takes an endpoint out of service: it gets no new request and finishes those it has. */
const drainLabel = "pointsman.dev/drain";

/** Why an endpoint takes no new requests; undefined for one that does. */
export function drainOf({ labels, drain }: Drainable): DrainReason | undefined {
  return labels[drainLabel] === "true" ? "drain-label" : drain;
}

/**
 * True if a draining endpoint still answers and is better than none: it is ready, and the event
 * that will end it has not begun.
 */
export function isLastResort(endpoint: Drainable): boolean {
  const drain = drainOf(endpoint);
  return drain === "preempted" || drain === "disrupted";
}
