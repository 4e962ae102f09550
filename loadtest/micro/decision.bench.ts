import { bench, run } from "mitata";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { bodiesOf, deciderOf } from "./deciders.ts";

// What one decision of the default configuration costs, and reading its body: queue, KV cache and
// prefix scorers over every endpoint, hashing of the prompt, the entry in the decision log, and the
// blocks that the chosen endpoint comes to hold.
//   node --expose-gc loadtest/micro/decision.bench.ts

const sizes = [
  { name: "2 KB", bytes: 2_048 },
  { name: "64 KB", bytes: 65_536 },
  { name: "1 MB", bytes: 1_048_576 },
];

for (const { name, bytes } of sizes) {
  const bodies = bodiesOf(bytes);
  const deciders = [8, 64, 256, 1_024].map((count) => ({
    count,
    decider: deciderOf({ count, bodies, log: new DecisionLog() }),
  }));
  for (const { decider } of deciders.slice(0, 1)) bench(`read the body, ${name}`, decider.read);
  for (const { count, decider } of deciders) {
    bench(`decide, ${count} endpoints, ${name}`, decider.decide);
  }
}

await run();
