import { Counter, Gauge } from "prom-client";
import { describe, expect, it } from "vitest";
import { aDecision, aRecord, aRequest } from "#test/support/builders.ts";
import { Exemplars } from "./exemplars.ts";
import { LabelSet } from "./label-set.ts";
import { MetricsRegistry } from "./metrics-registry.ts";
import { openMetricsOf, prefersOpenMetrics } from "./open-metrics.ts";
import { RequestMetrics } from "./request-metrics.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

describe("a scraper", () => {
  it.each([
    ["", false],
    ["*/*", false],
    ["text/plain;version=0.0.4", false],
    ["application/openmetrics-text", true],
    ["Application/OpenMetrics-Text; version=1.0.0", true],
    ["application/openmetrics-text;q=0", false],
    ["application/openmetrics-text;q=0.4,text/plain;q=0.5", false],
    ["text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.5", true],
    ["application/openmetrics-text;q=x", false],
    // Prometheus 2 and 3.
    [
      "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      true,
    ],
    [
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      true,
    ],
  ])("with %j gets OpenMetrics: %j", (accept, isOpen) => {
    expect(prefersOpenMetrics(accept)).toBe(isOpen);
  });
});

describe("OpenMetrics", () => {
  it("names a family without the end of its counter, and has no empty line", () => {
    const text =
      '# HELP a_total Says "a".\n# TYPE a_total counter\na_total{b="# c"} 1\n\n# HELP d D.\n# TYPE d gauge\nd 2\n';
    expect(openMetricsOf(text)).toBe(
      '# HELP a Says \\"a\\".\n# TYPE a counter\na_total{b="# c"} 1\n# HELP d D.\n# TYPE d gauge\nd 2\n',
    );
  });

  it("has no type for a counter whose name does not end like one", () => {
    expect(openMetricsOf("# TYPE a counter\na 1\n")).toBe("# TYPE a unknown\na 1\n");
  });
});

/** A page after requests with these times to first token, in milliseconds, and their traces. */
async function pageAfter(
  requests: readonly (readonly [ttftMs: number, traceId: string | undefined])[],
  isOpenMetrics: boolean,
): Promise<string> {
  const registry = new MetricsRegistry();
  const registers = [registry];
  new Counter({ name: "a_total", help: "A.", registers }).inc();
  new Gauge({ name: "b", help: "B.", registers }).set(1);
  const metrics = new RequestMetrics(registry, { wallMs: () => 1_700_000_000_123 });
  for (const [ttftMs, trace] of requests) {
    const request = aRequest({ model: "m", isStreaming: true });
    const decision = aDecision();
    metrics.routed(request, decision);
    const times = { startedMs: 0, firstTokenMs: ttftMs, endedMs: ttftMs };
    metrics.ended(aRecord({ request, decision, traceId: trace, ...times }));
  }
  let page = "";
  for await (const chunk of registry.chunks({ hasOlderNames: true, isOpenMetrics })) page += chunk;
  return page;
}

/** Sample lines of a page, without exemplars. */
const samplesOf = (page: string) =>
  page
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" # ")[0]);

describe("a page of metrics in OpenMetrics", () => {
  it("has the last traced request of each bucket of the time to first token", async () => {
    const page = await pageAfter(
      [
        [30, "1".repeat(32)],
        [31, traceId],
        [31, undefined],
        [4_000, undefined],
      ],
      true,
    );
    const lines = page.split("\n").filter((line) => line.includes(" # {"));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      new RegExp(
        String.raw`^llm_d_epp_request_ttft_seconds_bucket\{le="[\d.]+",model_name="m",.*\} 3 # \{trace_id="${traceId}"\} 0\.031 1700000000\.123$`,
        "u",
      ),
    );
    expect(page.endsWith("\n# EOF\n")).toBe(true);
    expect(page).not.toContain("\n\n");
  });

  it("has the samples of the older format, which has no exemplars", async () => {
    const requests = [[30, traceId]] as const;
    const older = await pageAfter(requests, false);
    expect(older).not.toContain(traceId);
    expect(older).not.toContain("# EOF");
    expect(samplesOf(await pageAfter(requests, true))).toEqual(samplesOf(older));
  });

  it("has each family once, its lines together", async () => {
    const page = await pageAfter([[30, traceId]], true);
    const families = [...page.matchAll(/^# TYPE (\S+) /gmu)].map(([, name]) => name);
    expect(new Set(families).size).toBe(families.length);
  });

  it("keeps a bounded number of exemplars", () => {
    const exemplars = new Exemplars();
    const labels = { target_model_name: "m", fairness_id: "f", priority: "0" };
    const place = { room: "known", isProven: true, nowMs: 0 } as const;
    const sets = Array.from(
      { length: 1_001 },
      (_, index) => new LabelSet({ ...labels, model_name: `m${index}` }, 1, place),
    );
    for (const set of sets) exemplars.note(set, 0, { traceId, value: 1, atSeconds: 1 });
    expect(sets.map((set) => exemplars.textOf(set, 0)).filter((text) => text !== "")).toHaveLength(
      1_000,
    );
  });
});
