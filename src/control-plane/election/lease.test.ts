import { describe, expect, it } from "vitest";
import { heldLease, leaseOf, newLease, releasedLease } from "./lease.ts";

const wallMs = Date.UTC(2026, 0, 1, 12, 30, 5, 7);
const now = "2026-01-01T12:30:05.007000Z";
const before = "2026-01-01T12:00:00.123456Z";

/** A Lease as client-go writes it, with other fields that a Lease may have. */
const object = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "l", namespace: "n", resourceVersion: "5", labels: { a: "b" } },
  spec: {
    holderIdentity: "host-1_x",
    leaseDurationSeconds: 15,
    acquireTime: before,
    renewTime: before,
    leaseTransitions: 4,
    strategy: "OldestEmulationVersion",
  },
};

describe("a Lease", () => {
  it("is read with the record that client-go keeps in it", () => {
    expect(leaseOf(object)).toEqual({
      record: {
        holderIdentity: "host-1_x",
        leaseDurationSeconds: 15,
        acquireTime: before,
        renewTime: before,
        leaseTransitions: 4,
      },
      object,
    });
  });

  it.each([{}, { spec: null }, { spec: {} }, { spec: { holderIdentity: 7 } }])(
    "has no holder if it says %j",
    (bare) => {
      expect(leaseOf(bare).record).toEqual({
        holderIdentity: "",
        leaseDurationSeconds: 10,
        acquireTime: "",
        renewTime: "",
        leaseTransitions: 0,
      });
    },
  );

  it("keeps all other fields when it is renewed", () => {
    expect(heldLease(leaseOf(object), { identity: "host-1_x", wallMs })).toEqual({
      ...object,
      spec: { ...object.spec, leaseDurationSeconds: 10, renewTime: now },
    });
  });

  it("counts a transition when it is taken over", () => {
    expect(heldLease(leaseOf(object), { identity: "host-2_y", wallMs })["spec"]).toEqual({
      ...object.spec,
      holderIdentity: "host-2_y",
      leaseDurationSeconds: 10,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: 5,
    });
  });

  it("keeps its transitions when it is released", () => {
    expect(releasedLease(leaseOf(object), wallMs)["spec"]).toEqual({
      ...object.spec,
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
    });
  });

  it("begins without a transition", () => {
    const lease = newLease({ namespace: "n", name: "l" }, { identity: "host-1_x", wallMs });
    expect(lease).toEqual({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "l", namespace: "n" },
      spec: {
        holderIdentity: "host-1_x",
        leaseDurationSeconds: 10,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: 0,
      },
    });
  });
});
