import type { ScrapeAddress } from "../scrape-address.ts";
import type { AccessOptions } from "../scrape-access.ts";

/** A reading of every endpoint beside its metrics, at an interval of its own; plain data. */
export type ProbeSettings = ScrapeAddress &
  AccessOptions & {
    /** Milliseconds between the starts of two readings of one endpoint, give or take 10 %. */
    readonly intervalMs: number;
  } & ProbeKind;

/**
 * - `models`: the models and adapters that an endpoint serves, from its list in OpenAI's form.
 * - `dcgm`: how busy its GPUs are, from NVIDIA's exporter beside it or on its node, under the name of an attribute.
 * - `check`: whether it answers a GET with 200, or its gRPC health service with SERVING for `grpcService`; it is ill after
 *   so many failures in a row.
 */
type ProbeKind =
  | { readonly kind: "models" }
  | { readonly kind: "dcgm"; readonly attribute: string; readonly usesNodeAddress: boolean }
  | {
      readonly kind: "check";
      readonly failuresMax: number;
      readonly grpcService: string | undefined;
    };
