import { createServer } from "node:http";
import { EngineRunner, type RunnerEvent } from "../../src/simulator/engine-runner.ts";
import { defaultEngineOptions, type EngineOptions } from "../../src/simulator/engine-options.ts";
import { parseCall } from "../../src/simulator/http/inference-call.ts";
import { metricsContentType, metricsPageOf } from "../../src/simulator/http/metrics-page.ts";
import { parseJsonRecord } from "../../src/simulator/json.ts";
import { systemClock } from "../../src/std/clock.ts";
import { model } from "./workloads.ts";

const host = "127.0.0.1";

/** The simulator's own engine with half of its sequences, and larger blocks, which cost this process less. */
const engineOptions: EngineOptions = {
  ...defaultEngineOptions,
  runningRequestsMax: 128,
  blockTokens: 64,
};

/** What came of handing a request to an engine. */
type Submitted =
  | { readonly kind: "taken"; readonly promptTokens: number }
  | { readonly kind: "refused"; readonly reason: string };

/** A simulated engine that takes requests by a call in place of HTTP, and shows its metrics on a port. */
export interface Engine {
  readonly hostPort: string;
  submit(body: string, listener: (event: RunnerEvent) => void): Submitted;
  close(): void;
}

export interface EngineSetup {
  readonly adapters: readonly string[];
  readonly loraSeriesMax: number;
}

export async function startEngine({ adapters, loraSeriesMax }: EngineSetup): Promise<Engine> {
  const runner = new EngineRunner(engineOptions, systemClock);
  const server = createServer((_, response) => {
    const snapshot = runner.snapshot();
    const { stats } = runner;
    stats.adapterSets.show(snapshot.requestedAdapters, Date.now() / 1_000, loraSeriesMax);
    const startedAtS = runner.startedAtWallMs / 1_000;
    response.setHeader("content-type", metricsContentType);
    response.end(metricsPageOf({ model, options: engineOptions, snapshot, stats, startedAtS }));
  });
  server.keepAliveTimeout = 60_000;
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  const { blockTokens } = engineOptions;
  return {
    hostPort: `${host}:${port}`,
    submit(body, listener) {
      const parsed = parseJsonRecord(body);
      if (parsed.kind === "invalid") return { kind: "refused", reason: parsed.message };
      const models = { model, adapters, blockTokens, outputTokens: 1 };
      const result = parseCall("chat", parsed.record, models);
      if (result.kind === "refused") return { kind: "refused", reason: result.error.message };
      const [prompt] = result.call.prompts;
      if (prompt === undefined) return { kind: "refused", reason: "no prompt" };
      const { outputTokens, adapter } = result.call;
      const taken = runner.submit(
        { ...prompt, outputTokens, adapter, reportsTokens: false },
        listener,
      );
      if (taken.kind === "rejected") return { kind: "refused", reason: taken.reason };
      return { kind: "taken", promptTokens: prompt.promptTokens };
    },
    close() {
      runner.close();
      server.close();
      server.closeAllConnections();
    },
  };
}
