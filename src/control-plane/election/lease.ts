import { z } from "zod";
import type { KubeObject } from "../kubernetes/kube-api.ts";

/**
 * Seconds for which our Lease is valid without a renewal. Two renewals in a row may hang before a
 * standby takes over from a live leader.
 */
const leaseSeconds = 10;

/** Fields of a Lease that an election reads and that programs with client-go write. */
export interface Lease {
  readonly record: LeaseRecord;
  /**
   * The whole object, to be written back with another record; its resourceVersion guards the write.
   */
  readonly object: KubeObject;
}

export interface LeaseRecord {
  /** Empty if there is no holder. */
  readonly holderIdentity: string;
  readonly leaseDurationSeconds: number;
  /** `2026-01-01T00:00:00.000000Z`; empty if there is none. For people: clocks differ. */
  readonly acquireTime: string;
  readonly renewTime: string;
  readonly leaseTransitions: number;
}

const specSchema = z.object({
  holderIdentity: z.string().nullish(),
  leaseDurationSeconds: z.number().nullish(),
  acquireTime: z.string().nullish(),
  renewTime: z.string().nullish(),
  leaseTransitions: z.number().nullish(),
});

/** A Lease of the API server. Without a record, it has no holder. */
export function leaseOf(object: KubeObject): Lease {
  const spec = specSchema.safeParse(object["spec"]).data;
  return {
    record: {
      holderIdentity: spec?.holderIdentity ?? "",
      leaseDurationSeconds: spec?.leaseDurationSeconds ?? leaseSeconds,
      acquireTime: spec?.acquireTime ?? "",
      renewTime: spec?.renewTime ?? "",
      leaseTransitions: spec?.leaseTransitions ?? 0,
    },
    object,
  };
}

/** Writer and time of a record. */
export interface Signature {
  readonly identity: string;
  readonly wallMs: number;
}

/** The first Lease of a name. */
export function newLease(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  { identity, wallMs }: Signature,
): KubeObject {
  const now = microTime(wallMs);
  const record: LeaseRecord = {
    holderIdentity: identity,
    leaseDurationSeconds: leaseSeconds,
    acquireTime: now,
    renewTime: now,
    leaseTransitions: 0,
  };
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace },
    spec: record,
  };
}

/** The Lease held by `identity`: renewed if it was the holder before, else taken over. */
export function heldLease({ record, object }: Lease, { identity, wallMs }: Signature): KubeObject {
  const now = microTime(wallMs);
  const isRenewal = record.holderIdentity === identity;
  return withRecord(object, {
    holderIdentity: identity,
    leaseDurationSeconds: leaseSeconds,
    acquireTime: isRenewal && record.acquireTime !== "" ? record.acquireTime : now,
    renewTime: now,
    leaseTransitions: record.leaseTransitions + (isRenewal ? 0 : 1),
  });
}

/** The Lease without a holder, available at once. */
export function releasedLease({ record, object }: Lease, wallMs: number): KubeObject {
  const now = microTime(wallMs);
  return withRecord(object, {
    holderIdentity: "",
    // As client-go writes it; 0 would be refused.
    leaseDurationSeconds: 1,
    acquireTime: now,
    renewTime: now,
    leaseTransitions: record.leaseTransitions,
  });
}

function withRecord(object: KubeObject, record: LeaseRecord): KubeObject {
  const spec = object["spec"];
  return { ...object, spec: { ...(typeof spec === "object" ? spec : {}), ...record } };
}

/** A MicroTime: exactly six digits of a second, or the API server refuses it. */
function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
