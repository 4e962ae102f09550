import { z } from "zod";
import type { KubeObject } from "../../kubernetes/kube-api.ts";

/** Fields of an EndpointSlice that are read. */
export interface EndpointSlice {
  readonly name: string;
  /** `IPv4`, `IPv6`, `FQDN` or a later addition. */
  readonly addressType: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SlicePort {
  /** Empty for a port without a name. */
  readonly name: string;
  /** Undefined if it means every port. */
  readonly port: number | undefined;
}

export interface SliceEndpoint {
  readonly address: string;
  readonly isReady: boolean;
  readonly isServing: boolean;
  readonly isTerminating: boolean;
  readonly zone: string | undefined;
  readonly nodeName: string | undefined;
  /** The pod behind it; undefined if it is not a pod. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined;
}

const sliceSchema = z.object({
  metadata: z.object({ name: z.string() }),
  addressType: z.string(),
  ports: z.array(z.object({ name: z.string().nullish(), port: z.number().nullish() })).nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()).min(1),
        conditions: z
          .object({
            ready: z.boolean().nullish(),
            serving: z.boolean().nullish(),
            terminating: z.boolean().nullish(),
          })
          .nullish(),
        nodeName: z.string().nullish(),
        zone: z.string().nullish(),
        targetRef: z
          .object({
            kind: z.string().nullish(),
            name: z.string().nullish(),
            uid: z.string().nullish(),
          })
          .nullish(),
      }),
    )
    .nullish(),
});

type RawEndpoint = NonNullable<z.infer<typeof sliceSchema>["endpoints"]>[number];

/** An EndpointSlice of the API server; undefined if it is not one. */
export function endpointSliceOf(object: KubeObject): EndpointSlice | undefined {
  const parsed = sliceSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { metadata, addressType, ports, endpoints } = parsed.data;
  return {
    name: metadata.name,
    addressType,
    ports: (ports ?? []).map(({ name, port }) => ({ name: name ?? "", port: port ?? undefined })),
    endpoints: (endpoints ?? []).map(endpointOf),
  };
}

function endpointOf({ addresses, conditions, nodeName, zone, targetRef }: RawEndpoint) {
  // Defaults of absent fields are those of the API: ready, and serving if ready.
  const isReady = conditions?.ready ?? true;
  return {
    // Consumers must use the first address only.
    address: addresses[0] ?? "",
    isReady,
    isServing: conditions?.serving ?? isReady,
    isTerminating: conditions?.terminating ?? false,
    zone: zone ?? undefined,
    nodeName: nodeName ?? undefined,
    pod:
      targetRef?.kind === "Pod" && targetRef.name != null
        ? { name: targetRef.name, uid: targetRef.uid ?? "" }
        : undefined,
  };
}
