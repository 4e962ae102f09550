import { MetricsRegistry } from "../../src/telemetry/metrics-registry.ts";
import { RequestMetrics } from "../../src/telemetry/request-metrics.ts";
import { aDecision, aHead, anEndpoint, aRecord, aRequest } from "#test/support/builders.ts";

// What the metrics of one request cost, from its decision to its end: medians of 21 rounds.
//   node loadtest/micro/request-metrics.bench.ts

const rounds = 21;
const requestsPerRound = 20_000;
const usage = { promptTokens: 400, outputTokens: 64, cachedTokens: 128 };

function nsPerRequest(models: number, tenants: number): number {
  const metrics = new RequestMetrics(new MetricsRegistry());
  const endpoint = anEndpoint();
  const requests = Array.from({ length: models * tenants }, (_, index) =>
    aRequest({
      model: `model-${index % models}`,
      isStreaming: true,
      head: aHead({
        headers: new Map([
          ["x-llm-d-inference-fairness-id", `tenant-${Math.floor(index / models)}`],
        ]),
      }),
    }),
  );
  const parts = { usage, responseChunks: 20, lastChunkMs: 180 };
  const durations: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const records = Array.from({ length: requestsPerRound }, (_, index) => {
      // Names come off the wire: no two requests share a string.
      const request = requests[(index * 7_919) % requests.length];
      const model = Buffer.from(request?.model ?? "").toString();
      const decision = aDecision({ endpoints: [endpoint] });
      const named = aRequest({ ...request, model, targetModel: model });
      return { decision, request: named, record: aRecord({ ...parts, request: named, decision }) };
    });
    const startMs = performance.now();
    for (const { request, decision, record } of records) {
      metrics.routed(request, decision);
      metrics.ended(record);
    }
    durations.push(((performance.now() - startMs) * 1e6) / requestsPerRound);
  }
  return durations.toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
}

for (const [models, tenants] of [
  [1, 1],
  [10, 100],
  [100, 100],
] as const) {
  const ns = Math.round(nsPerRequest(models, tenants));
  process.stdout.write(`${models} models x ${tenants} tenants: ${ns} ns a request\n`);
}
