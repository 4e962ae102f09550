import { describe, expect, it } from "vitest";
import { runFuzz } from "../../loadtest/fuzz-ext-proc/run.ts";

describe("the transport of the ext_proc port, with hostile clients", () => {
  it("serves usual calls, and keeps nothing of theirs", async () => {
    const report = await runFuzz({
      seed: 3,
      frames: 150_000,
      secondsMax: 60,
      connections: 8,
      framesOfOne: 500,
    });
    expect(report.violations).toEqual([]);
    // The load was one: streams were served, and usual calls came between.
    expect(report.after.streams).toBeGreaterThan(1_000);
    expect(report.probes).toBeGreaterThan(0);
  }, 300_000);
});
