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

//   node --expose-gc loadtest/micro/decision.bench.ts

/** A log that keeps nothing, to see what keeping costs. */
class NoLog extends DecisionLog {
  override record(): number {
    this.arena.close();
    return 0;
  }
}

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

/** The default configuration over `count` endpoints, its bodies as requests, and its decisions. */
function deciderOf({ count, bodies, log }: Case) {
  const options = { memory: new PluginMemory(), random: seededRandom(2), allowsTestOnly: false };
  const result = buildConfig(defaultConfigText, options);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.built.keepMemory();
  const routing = routingOf(result.built.configured, { ignoresSubset: false, log });
  const store = poolOf(count);
  const pool = { endpoints: store.endpoints(), load: store.load(), nowMs };
  const heads = bodies.map((_, index) => ({
    id: `r${index}`,
    method: "POST",
    path: "/v1/chat/completions",
    headers: new Map([["content-type", "application/json"]]),
    subset: undefined,
  }));
  const read = (index: number) => {
    const [head, body] = [heads[index], bodies[index]];
    if (head === undefined) throw new Error("an index of a body");
    return routing.parse(head, body);
  };
  const requests = bodies.map((_, index) => {
    const answer = read(index);
    if (answer.kind === "refused") throw new Error(answer.refusal.message);
    return answer.request;
  });
  let next = 0;
  return {
    read: () => do_not_optimize(read(next++ % prompts)),
    decide: () => {
      const request = requests[next++ % prompts];
      if (request === undefined) return;
      const scheduled = routing.schedule(request, pool);
      if (scheduled.kind === "routed") do_not_optimize(routing.sent(scheduled));
    },
  };
}

interface Case {
  readonly count: number;
  readonly bodies: readonly Buffer[];
  readonly log: DecisionLog;
}

for (const { name, bytes } of sizes) {
  const bodies = Array.from({ length: prompts }, (_, index) => bodyOf(bytes, index));
  const counts = [8, 64, 256, 1_024];
  bench(`read the body, ${name}`, deciderOf({ count: 8, bodies, log: new DecisionLog() }).read);
  for (const count of counts) {
    summary(() => {
      bench(
        `decide, ${count} endpoints, ${name}`,
        deciderOf({ count, bodies, log: new DecisionLog() }).decide,
      );
      if (bytes > 2_048) return;
      bench(
        `the same without a decision log`,
        deciderOf({ count, bodies, log: new NoLog() }).decide,
      );
    });
  }
}

await run();
