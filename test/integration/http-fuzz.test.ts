import { describe, expect, it } from "vitest";
import { runAnswerFuzz } from "../../loadtest/fuzz-answers/run.ts";
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

describe("a client of engines that is answered with malformed HTTP", () => {
  it("is over with each request, gives none the answer of another one, and keeps nothing", async () => {
    const report = await runAnswerFuzz({ seed: 15, seconds: 20, casesMax: 3_000, requests: 16 });
    expect(report.violations).toEqual([]);
    expect(report.told["answered"]).toBeGreaterThan(500);
    expect(report.told["invalid"]).toBeGreaterThan(200);
  }, 60_000);
});
