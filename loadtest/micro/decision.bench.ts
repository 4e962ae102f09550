import { bench, do_not_optimize, run, summary } from "mitata";
import { buildConfig } from "../../src/built-config.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { defaultConfigText } from "../../src/operator/config/load-config.ts";
import { routingOf } from "../../src/routing.ts";
import { EndpointStore } from "../../src/state/endpoint-store.ts";
import { PluginMemory } from "../../src/state/plugin-memory.ts";
import { seededRandom } from "../../src/std/random.ts";

// What one decision of the default configuration costs, with and without reading the body: queue,
// KV cache and prefix scorers over every endpoint, hashing of the prompt, the entry in the decision
// log, and the blocks that the chosen endpoint comes to hold. 256 prompts in turn, which share three
// quarters of their text with one in 64 others.

const prompts = 256;
const nowMs = 1_000_000;

function poolOf(count: number) {
  const store = new EndpointStore();
  const random = seededRandom(1);
  store.apply(
    Array.from({ length: count }, (_, index) => ({
      id: `default/e${index}`,
      namespace: "default",
      name: `e${index}`,
      address: `10.0.${index >> 8}.${index & 255}`,
      port: 8_000,
      labels: {},
    })),
  );
  for (const endpoint of store.endpoints()) {
    store.recordSignals(
      endpoint,
      {
        waitingRequests: Math.floor(random() * 5),
        runningRequests: Math.floor(random() * 50),
        kvCacheUsedRatio: random(),
        blockTokens: 16,
        blocksMax: 25_000,
        adapters: undefined,
        attributes: new Map(),
      },
      nowMs,
    );
  }
  return store;
}

function bodyOf(bytes: number, index: number): Buffer {
  const shared = `shared context ${index % 64} with words that repeat in it. `;
  const system = shared.repeat(Math.ceil(bytes / shared.length)).slice(0, (bytes * 3) / 4);
  const user = `${index} `.repeat(bytes).slice(0, bytes / 4);
  const messages = [
    { role: "system", content: system },
    { role: "user", content: user },
  ];
  return Buffer.from(JSON.stringify({ model: "sim-model", messages }));
}

const sizes = [
  { name: "2 KB", bytes: 2_048 },
  { name: "64 KB", bytes: 65_536 },
  { name: "1 MB", bytes: 1_048_576 },
];

for (const { name, bytes } of sizes) {
  const bodies = Array.from({ length: prompts }, (_, index) => bodyOf(bytes, index));
  summary(() => {
    for (const count of [8, 64, 256, 1_024]) {
      const memory = new PluginMemory();
      const random = seededRandom(2);
      const result = buildConfig(defaultConfigText, { memory, random, allowsTestOnly: false });
      if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
      result.built.keepMemory();
      const store = poolOf(count);
      const log = new DecisionLog();
      const routing = routingOf(result.built.configured, { ignoresSubset: false, log });
      const pool = { endpoints: store.endpoints(), load: store.load(), nowMs };
      const requests = bodies.map((body, index) => {
        const head = {
          id: `r${index}`,
          method: "POST",
          path: "/v1/chat/completions",
          headers: new Map([["content-type", "application/json"]]),
          subset: undefined,
        };
        return { head, body };
      });
      let next = 0;
      const parsed = requests.map(({ head, body }) => {
        const read = routing.parse(head, body);
        if (read.kind === "refused") throw new Error(read.refusal.message);
        return read.request;
      });
      bench(`decide, ${count} endpoints, ${name}`, () => {
        const request = parsed[next++ % prompts];
        if (request === undefined) return;
        const scheduled = routing.schedule(request, pool);
        if (scheduled.kind === "routed") do_not_optimize(routing.sent(scheduled));
      });
      if (count === 8) {
        bench(`read the body, ${name}`, () => {
          const request = requests[next++ % prompts];
          if (request !== undefined) do_not_optimize(routing.parse(request.head, request.body));
        });
      }
    }
  });
}

await run();
