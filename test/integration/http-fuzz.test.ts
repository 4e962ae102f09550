import { describe, expect, it } from "vitest";
import { runFuzz } from "../../loadtest/fuzz-http/run.ts";

describe("a gateway that is sent malformed HTTP", () => {
  it("serves usual requests, sends engines only what clients sent, and keeps nothing", async () => {
    const report = await runFuzz({ seed: 15, seconds: 6, casesMax: 1_500, connections: 16 });
    expect(report.violations).toEqual([]);
    // The load was one: hundreds of cases, of which many requests reached an engine.
    expect(report.cases).toBeGreaterThan(300);
    expect(report.requestsSeen).toBeGreaterThan(50);
  }, 300_000);
});
