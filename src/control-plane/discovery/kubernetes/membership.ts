import type { EndpointSpec } from "../../../state/membership.ts";

/** The reason why a pod gets no requests. */
type ExclusionReason =
  /** It has no IP address yet. */
  | "no-address"
  /** A scheduling gate holds it back. */
  | "gated"
  /** It has terminated. */
  | "finished"
  /** Its `active-ports` annotation names none of the pool's ports. */
  | "no-active-port"
  | NonNullable<EndpointSpec["drain"]>;

/** A pod, or another selected object, that gets no requests. */
export interface Exclusion {
  readonly namespace: string;
  readonly name: string;
  readonly reason: ExclusionReason;
  /** Further detail. */
  readonly detail?: string;
}

/** Membership that a source computes from its objects. */
export interface Membership {
  readonly specs: readonly EndpointSpec[];
  readonly excluded: readonly Exclusion[];
}
