import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { seriesOf, valueOf } from "#test/support/metrics.ts";
import { type FollowedResource, registerClusterMetrics } from "./metrics.ts";

const pods: FollowedResource = {
  resource: "pods",
  isSynced: true,
  contactAgeMs: 2_500,
  counts: { lists: 1, events: 40, failures: 0 },
};

function registered(follows: readonly FollowedResource[], isLeading?: boolean): Registry {
  const registry = new Registry();
  registerClusterMetrics(registry, {
    follows: () => follows,
    election:
      isLeading === undefined
        ? undefined
        : { lease: "epp-a-b.llm-d.ai", isLeading: () => isLeading },
  });
  return registry;
}

describe("metrics of a cluster", () => {
  it("show the last contact and the costs of each resource", async () => {
    const registry = registered([pods]);
    const value = (name: string) =>
      valueOf(registry, `pointsman_kubernetes_${name}{resource="pods"}`);
    expect(await value("contact_age_seconds")).toBe(2.5);
    expect(await value("synced")).toBe(1);
    expect(await value("lists_total")).toBe(1);
    expect(await value("events_total")).toBe(40);
    // A second scrape does not count twice.
    expect(await value("events_total")).toBe(40);
    expect(await value("failures_total")).toBe(0);
  });

  it("have no age for a resource without any contact", async () => {
    const registry = registered([{ ...pods, isSynced: false, contactAgeMs: undefined }]);
    expect(await seriesOf(registry, "pointsman_kubernetes_contact_age_seconds")).toEqual([]);
    expect(await valueOf(registry, 'pointsman_kubernetes_synced{resource="pods"}')).toBe(0);
  });

  it("are the worst state and the sum of the counts if two follow one resource", async () => {
    const other = { ...pods, isSynced: false, contactAgeMs: 90_000 };
    for (const follows of [
      [pods, other],
      [other, pods],
    ]) {
      const registry = registered(follows);
      const value = (name: string) =>
        valueOf(registry, `pointsman_kubernetes_${name}{resource="pods"}`);
      expect(await value("contact_age_seconds")).toBe(90);
      expect(await value("synced")).toBe(0);
      expect(await value("events_total")).toBe(80);
    }
  });

  it.each([
    [true, ['leader_election_master_status{name="epp-a-b.llm-d.ai"} 1']],
    [false, ['leader_election_master_status{name="epp-a-b.llm-d.ai"} 0']],
    [undefined, []],
  ])("show if leading is %s", async (isLeading, series) => {
    expect(await seriesOf(registered([], isLeading), "leader_election_master_status")).toEqual(
      series,
    );
  });
});
