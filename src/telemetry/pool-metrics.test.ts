import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../core/endpoint.ts";
import { aLoad, anEndpoint, endpoints, type LoadRow } from "#test/support/builders.ts";
import { seriesOf, valueOf } from "#test/support/metrics.ts";
import { registerPoolMetrics } from "./pool-metrics.ts";

/** A pool that a test may change between scrapes. */
function pooled(rows: readonly LoadRow[], members: readonly Endpoint[] = endpoints(rows.length)) {
  const registry = new Registry();
  const pool = { rows, members, draining: [] as readonly Endpoint[] };
  registerPoolMetrics(registry, {
    name: "pool",
    endpoints: () => pool.members,
    draining: () => pool.draining,
    load: () => aLoad(pool.rows),
  });
  return {
    pool,
    value: (name: string) => valueOf(registry, `llm_d_epp_${name}{name="pool"}`),
    series: (name: string) => seriesOf(registry, `llm_d_epp_${name}`),
    draining: () => seriesOf(registry, "pointsman_draining_endpoints"),
    reporting: () => seriesOf(registry, "pointsman_signal_reporting_endpoints"),
  };
}

const idle: LoadRow = { waitingRequests: 0, runningRequests: 0, kvCacheUsedRatio: 0 };

describe("the averages of a pool", () => {
  it("are mean and standard deviation over its endpoints", async () => {
    const { value } = pooled([
      { waitingRequests: 2, runningRequests: 10, kvCacheUsedRatio: 0.2 },
      { waitingRequests: 4, runningRequests: 10, kvCacheUsedRatio: 0.6 },
      { waitingRequests: 12, runningRequests: 10, kvCacheUsedRatio: 0.4 },
    ]);
    // (2 + 4 + 12) / 3 = 6; sqrt((16 + 4 + 36) / 3)
    expect(await value("average_queue_size")).toBe(6);
    expect(await value("std_dev_queue_size")).toBeCloseTo(Math.sqrt(56 / 3), 12);
    expect(await value("average_running_requests")).toBe(10);
    expect(await value("std_dev_running_requests")).toBe(0);
    // (0.2 + 0.6 + 0.4) / 3 = 0.4; sqrt((0.04 + 0.04 + 0) / 3)
    expect(await value("average_kv_cache_utilization")).toBeCloseTo(0.4, 12);
    expect(await value("std_dev_kv_cache_utilization")).toBeCloseTo(Math.sqrt(0.08 / 3), 12);
  });

  it("leave out endpoints of which the signal is unknown", async () => {
    const { value } = pooled([
      { waitingRequests: 1 },
      {},
      { waitingRequests: 5, runningRequests: Number.POSITIVE_INFINITY },
    ]);
    // (1 + 5) / 2 = 3; sqrt((4 + 4) / 2)
    expect(await value("average_queue_size")).toBe(3);
    expect(await value("std_dev_queue_size")).toBe(2);
    expect(await value("average_running_requests")).toBeUndefined();
  });

  it("leave out rows of slots that belong to no endpoint", async () => {
    const { value } = pooled(
      [{ waitingRequests: 100 }, { waitingRequests: 3 }],
      [anEndpoint({ slot: 1 })],
    );
    expect(await value("average_queue_size")).toBe(3);
  });

  it.each<readonly [string, readonly LoadRow[]]>([
    ["an empty pool", []],
    ["endpoints that never reported", [{}, {}]],
    // Our own accounting says 0, which is not what the engine says.
    ["endpoints whose reports are too old", [{ ...idle, signalsTrust: 0 }, { signalsTrust: 0 }]],
    ["endpoints that report other things", [{ ...idle, told: {} }]],
  ])("have no series for %s", async (_, rows) => {
    const { series } = pooled(rows);
    const families = ["queue_size", "running_requests", "kv_cache_utilization"].flatMap(
      (suffix) => [`average_${suffix}`, `std_dev_${suffix}`],
    );
    const all = await Promise.all([...families, "per_endpoint_queue_size"].map(series));
    expect(all.flat()).toEqual([]);
  });

  it("are over the endpoints that report the signal, which are counted", async () => {
    const { value, reporting } = pooled([
      { waitingRequests: 4, runningRequests: 2, kvCacheUsedRatio: 0.5 },
      { waitingRequests: 8, runningRequests: 6 },
      { waitingRequests: 0, runningRequests: 0, kvCacheUsedRatio: 0, signalsTrust: 0 },
    ]);
    // The third does not count: (4 + 8) / 2 = 6, (2 + 6) / 2 = 4, 0.5 / 1
    expect(await value("average_queue_size")).toBe(6);
    expect(await value("average_running_requests")).toBe(4);
    expect(await value("average_kv_cache_utilization")).toBe(0.5);
    expect(await reporting()).toEqual([
      'pointsman_signal_reporting_endpoints{name="pool",signal="waiting-requests"} 2',
      'pointsman_signal_reporting_endpoints{name="pool",signal="running-requests"} 2',
      'pointsman_signal_reporting_endpoints{name="pool",signal="kv-cache-used"} 1',
    ]);
  });
});

describe("the endpoints of a pool", () => {
  it("are counted at the moment of the scrape", async () => {
    const { pool, value } = pooled([{}, {}]);
    expect(await value("ready_endpoints")).toBe(2);
    pool.members = [];
    expect(await value("ready_endpoints")).toBe(0);
  });

  it("show their queue where it is known, and what is in flight in any case", async () => {
    const { series } = pooled([
      { waitingRequests: 7, inFlightRequests: 2 },
      { inFlightRequests: 3 },
      {},
    ]);
    expect(await series("per_endpoint_queue_size")).toEqual([
      'llm_d_epp_per_endpoint_queue_size{name="pool",model_server_endpoint="engine-0"} 7',
    ]);
    expect(await series("inflight_requests")).toEqual([
      'llm_d_epp_inflight_requests{endpoint_name="engine-0",namespace="default"} 2',
      'llm_d_epp_inflight_requests{endpoint_name="engine-1",namespace="default"} 3',
      'llm_d_epp_inflight_requests{endpoint_name="engine-2",namespace="default"} 0',
    ]);
  });

  it("are counted by the reason why they take no requests", async () => {
    const { pool, draining } = pooled([{}]);
    const doomed = { labels: { "pointsman.dev/drain": "true" } };
    pool.draining = [
      anEndpoint({ slot: 1, drain: "preempted" }),
      anEndpoint({ slot: 2, drain: "preempted" }),
      anEndpoint({ slot: 3, ...doomed }),
    ];
    expect(await draining()).toEqual([
      'pointsman_draining_endpoints{name="pool",reason="drain-label"} 1',
      'pointsman_draining_endpoints{name="pool",reason="not-ready"} 0',
      'pointsman_draining_endpoints{name="pool",reason="terminating"} 0',
      'pointsman_draining_endpoints{name="pool",reason="preempted"} 2',
      'pointsman_draining_endpoints{name="pool",reason="disrupted"} 0',
    ]);
  });

  it("take their series with them when they go", async () => {
    const { pool, series } = pooled([{ waitingRequests: 1 }, { waitingRequests: 2 }]);
    expect(await series("per_endpoint_queue_size")).toHaveLength(2);
    expect(await series("inflight_requests")).toHaveLength(2);
    pool.members = [anEndpoint({ slot: 1 })];
    expect(await series("per_endpoint_queue_size")).toEqual([
      expect.stringContaining('"engine-1"'),
    ]);
    expect(await series("inflight_requests")).toEqual([expect.stringContaining('"engine-1"')]);
  });
});
