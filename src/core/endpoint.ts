/**
 * The reason that an endpoint takes no new requests. `drain-label`: an operator set the label. `not-ready`: it is not
 * ready any more. `terminating`: it is being deleted. `preempted` and `disrupted`: a queueing system, or the cluster,
 * is about to stop it.
 */
export const drainReasons = [
  "drain-label",
  "not-ready",
  "terminating",
  "preempted",
  "disrupted",
] as const;
export type DrainReason = (typeof drainReasons)[number];

/** Parts of the metrics address that differ from the default. */
export interface MetricsAddress {
  readonly scheme?: "http" | "https" | undefined;
  readonly path?: string | undefined;
  readonly port?: number | undefined;
}

/** TLS of an endpoint. */
export interface EndpointTls {
  /** Name that its certificate must have; undefined if it must have its address. */
  readonly serverName?: string | undefined;
}

/** One address and port that serves a model. Immutable; values that change are in the load columns. */
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
  /** Undefined if it is reached without TLS. */
  readonly tls?: EndpointTls;
  /** Distinguishes it from an earlier or later endpoint of the same name and address. */
  readonly incarnation?: string;
  /** Name of its pod, if it belongs to one. */
  readonly podName?: string;
  /** IP address of the machine that it runs on, if the source knows it. */
  readonly nodeAddress?: string;
  /** Address of its metrics, from its pod's annotations. */
  readonly metrics?: MetricsAddress;
  /** The reason that its source stops new requests to it. */
  readonly drain?: DrainReason;
  /** Index of this endpoint's row in every load column, for as long as the endpoint lives. */
  readonly slot: number;
}

/** The parts of an endpoint that decide whether it takes requests. */
type Drainable = Pick<Endpoint, "labels" | "drain">;

/** A label that takes an endpoint out of service: it gets no new request and finishes those it has. */
const drainLabel = "pointsman.dev/drain";

/** The reason that an endpoint takes no new requests; undefined if it takes them. */
export function drainOf({ labels, drain }: Drainable): DrainReason | undefined {
  return labels[drainLabel] === "true" ? "drain-label" : drain;
}

/**
 * True if a draining endpoint may still serve when no other is left: it is ready, and the event that will stop it has
 * not begun.
 */
export function isLastResort(endpoint: Drainable): boolean {
  const drain = drainOf(endpoint);
  return drain === "preempted" || drain === "disrupted";
}
