import { headerTable } from "../../../core/headers.ts";

/** Names of the endpoint picker protocol (proposal 004 of the Inference Extension). */
export const protocolNames = {
  destination: headerTable.destination.name,
  lbNamespace: "envoy.lb",
  served: "x-gateway-destination-endpoint-served",
  subsetNamespace: "envoy.lb.subset_hint",
  subset: "x-gateway-destination-endpoint-subset",
} as const;

/** The endpoints of a subset hint, whose strings may list several with commas. */
export function subsetIn(strings: readonly string[]): readonly string[] {
  return strings
    .flatMap((string) => string.split(","))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}
