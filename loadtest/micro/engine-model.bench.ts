import { EngineModel } from "../../src/simulator/engine-model.ts";
import type { EngineOptions } from "../../src/simulator/engine-options.ts";

// What a step of the engine model costs: a full batch that decodes, and a stream of chats whose prompts
// prefill beside it. Prints steps, steps per second and the cost of one sequence in one step.
//   node loadtest/micro/engine-model.bench.ts

const sequences = 40;
const blockTokens = 16;

interface Workload {
  readonly name: string;
  readonly options: Partial<EngineOptions>;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly requests: number;
  /** Milliseconds between two arrivals. */
  readonly gapMs: number;
}

const workloads: readonly Workload[] = [
  { name: "decode", options: {}, promptTokens: 64, outputTokens: 4_000, requests: 1_400, gapMs: 0 },
  { name: "chat", options: {}, promptTokens: 900, outputTokens: 250, requests: 40_000, gapMs: 130 },
  {
    name: "decode, few blocks",
    options: { kvCacheTokensMax: 80_000 },
    promptTokens: 512,
    outputTokens: 2_000,
    requests: 2_000,
    gapMs: 500,
  },
];

/** Runs a workload to its end; a step ends at each time that the model names. */
function run({ options, promptTokens, outputTokens, requests, gapMs }: Workload) {
  const model = new EngineModel({ ...options, runningRequestsMax: sequences });
  const startMs = performance.now();
  let steps = 0;
  let events = 0;
  const runUntil = (untilMs: number) => {
    for (let at = model.nextStepAtMs(); at !== undefined && at <= untilMs;) {
      events += model.advance(at).length;
      steps += 1;
      at = model.nextStepAtMs();
    }
  };
  for (let id = 0; id < requests; id += 1) {
    runUntil(id * gapMs);
    const promptBlocks = Array.from(
      { length: Math.floor(promptTokens / blockTokens) },
      (_, index) => id * 1_000 + index,
    );
    model.submit({ id, promptTokens, promptBlocks, outputTokens }, id * gapMs);
  }
  runUntil(Number.POSITIVE_INFINITY);
  const elapsedMs = performance.now() - startMs;
  return { steps, events, elapsedMs, snapshot: model.snapshot() };
}

for (const workload of workloads) {
  const { steps, elapsedMs, snapshot } = run(workload);
  const perSequenceNs = (elapsedMs * 1e6) / snapshot.outputTokensTotal;
  process.stdout.write(
    `${workload.name}: ${steps} steps in ${elapsedMs.toFixed(0)} ms, ` +
      `${Math.round((steps / elapsedMs) * 1_000)} steps/s, ${perSequenceNs.toFixed(1)} ns per token, ` +
      `${snapshot.preemptionsTotal} preemptions\n`,
  );
}
