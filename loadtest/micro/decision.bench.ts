import { bench, run } from "mitata";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { peerScorers, pickerDocument, scorersIn } from "../picker-document.ts";
import { bodiesOf, deciderOf } from "./deciders.ts";

// What one decision costs, and reading its body: scorers over every endpoint, hashing of the prompt,
// the entry in the decision log, the blocks that the chosen endpoint comes to hold, and the end of an
// earlier request. By the default policy and by llm-d-router's default document.
//   node --expose-gc loadtest/micro/decision.bench.ts

const sizes = [
  { name: "2 KB", bytes: 2_048 },
  { name: "64 KB", bytes: 65_536 },
  { name: "1 MB", bytes: 1_048_576 },
];

const peerDocument = pickerDocument("/dev/null", scorersIn(peerScorers));

for (const { name, bytes } of sizes) {
  const bodies = bodiesOf(bytes);
  const deciders = [8, 64, 256, 1_024].map((count) => ({
    count,
    decider: deciderOf({ count, bodies, log: new DecisionLog() }),
    peers: deciderOf({ count, bodies, log: new DecisionLog(), document: peerDocument }),
  }));
  for (const { decider } of deciders.slice(0, 1)) bench(`read the body, ${name}`, decider.read);
  for (const { count, decider, peers } of deciders) {
    bench(`decide, ${count} endpoints, ${name}`, decider.decide);
    bench(`decide, ${count} endpoints, ${name}, llm-d-router's scorers`, peers.decide);
  }
}

await run();
