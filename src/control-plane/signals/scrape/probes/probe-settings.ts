import type { ScrapeAddress } from "../scrape-address.ts";
import type { AccessOptions } from "../scrape-access.ts";

/** A reading of every endpoint other than its metrics, at an interval of its own; plain data. */
export type ProbeSettings = ScrapeAddress &
  AccessOptions & {
    /** Milliseconds between the starts of two readings of one endpoint, give or take 10 %. */
    readonly intervalMs: number;
  } & ProbeKind;

/**
 * - `models`: the models and adapters that an endpoint serves, from its list in OpenAI's form.
 * - `dcgm`: the utilization of its GPUs, from NVIDIA's exporter next to it or on its node, as a
 *   named attribute.
 * - `check`: passes if it answers a GET with 200, or its gRPC health service with SERVING for
 *   `grpcService`; it fails after the configured number of failures in a row.
 */
type ProbeKind =
  | { readonly kind: "models" }
  | { readonly kind: "dcgm"; readonly attribute: string; readonly usesNodeAddress: boolean }
  | {
      readonly kind: "check";
      readonly failuresMax: number;
      readonly grpcService: string | undefined;
    };
