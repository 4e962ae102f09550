/** One address and port that serves a model. Immutable; what changes lies in the load columns. */
export interface Endpoint {
  /** `namespace/name`, unique in the pool. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** An IP literal, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** What the destination header carries: `ip:port`, IPv6 in brackets. */
  readonly hostPort: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Index of this endpoint's row in every load column, for as long as the endpoint lives. */
  readonly slot: number;
}

/** `ip:port`, with an IPv6 address in brackets. */
export function hostPortOf(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A label that takes an endpoint out of service: it gets no new request and finishes those it has. */
const drainLabel = "pointsman.dev/drain";

export function isDraining({ labels }: Endpoint): boolean {
  return labels[drainLabel] === "true";
}
