import { type Random, seededRandom } from "../../src/std/random.ts";
import { systemClock } from "../../src/std/clock.ts";
import type { Scenario } from "./scenarios.ts";
import type { Asked, Stand } from "./stand.ts";

/** Time of load; the first part of it does not count, because the picker learns the speed of engines. */
const loadMs = 40_000;
const engines = 8;

/** Interactive requests a second: 8 % of what the engines can compute. */
const interactivePerSecond = 6;
/** Clients of batch in closed loops: their requests pile up, whatever the picker does. */
const batchClients = 120;

const interactive = { promptTokens: [200, 1_500], outputTokens: [20, 60] } as const;
const batch = { promptTokens: [2_000, 8_000], outputTokens: [50, 150] } as const;

const ours = `- type: expected-latency-scorer
schedulingProfiles: [{name: default, plugins: [{pluginRef: expected-latency-scorer}]}]
`;

/** The scorers of llm-d-router's default document. */
const peers = `- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: prefix-cache-scorer
- type: utilization-detector
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: queue-scorer, weight: 2}
  - {pluginRef: kv-cache-utilization-scorer, weight: 2}
  - {pluginRef: prefix-cache-scorer, weight: 3}
`;

/** Batch requests wait until the load is over. */
const noLimit = "defaultRequestTTL: 0s";
/** Without a queue, they would be refused. */
const priorities =
  'featureGates: [flowControl]\nobjectives: [{name: "100", priority: 100}, {name: "-10", priority: -10}]\n';

const oursQueue = `${ours}${priorities}flowControl: {${noLimit}}\n`;
/** llm-d-router's defaults under the gate. Its own documents have no objectives. */
const peersQueue = `${peers}${priorities}flowControl:
  saturationDetector: {pluginRef: utilization-detector}
  ${noLimit}
  defaultPriorityBand: {orderingPolicyRef: fcfs-ordering-policy}
`;

/** Interactive requests next to a backlog of batch, whose prompts an engine computes in a quarter of a second to one second. */
export const batchScenarios: readonly Scenario[] = [
  scenario("interactive alone", ours, (stand) => interactiveLoad(stand)),
  scenario("batch alone", oursQueue, (stand) => batchLoad(stand)),
  scenario("both, no queue", ours, bothLoads),
  scenario("both, queue without settings", oursQueue, bothLoads),
  scenario("both, llm-d-router's defaults of flow control", peersQueue, bothLoads),
];

function scenario(name: string, document: string, run: Scenario["run"]): Scenario {
  return {
    name: `batch beside interactive: ${name}`,
    queue: { engines, document, settings: {} },
    run,
  };
}

async function bothLoads(stand: Stand): Promise<void> {
  await Promise.all([batchLoad(stand), interactiveLoad(stand)]);
}

/** Requests in gaps of independent clients. */
async function interactiveLoad(stand: Stand): Promise<void> {
  const random = seededRandom(1);
  const pending: Promise<void>[] = [];
  const startMs = systemClock.nowMs();
  for (let atMs = 0; atMs < loadMs;) {
    const waitMs = startMs + atMs - systemClock.nowMs();
    if (waitMs > 0) await systemClock.sleep(waitMs);
    pending.push(stand.send("100", asked("100", interactive, random)));
    atMs += (-Math.log(1 - random()) / interactivePerSecond) * 1_000;
  }
  await Promise.all(pending);
}

async function batchLoad(stand: Stand): Promise<void> {
  const random = seededRandom(2);
  const endMs = systemClock.nowMs() + loadMs;
  const loop = async () => {
    while (systemClock.nowMs() < endMs) await stand.send("-10", asked("-10", batch, random));
  };
  await Promise.all(Array.from({ length: batchClients }, loop));
}

function asked(objective: string, sizes: typeof interactive | typeof batch, random: Random): Asked {
  return {
    headers: { "x-llm-d-inference-objective": objective },
    promptTokens: between(sizes.promptTokens, random),
    outputTokens: between(sizes.outputTokens, random),
  };
}

function between([min, max]: readonly [number, number], random: Random): number {
  return Math.floor(min + random() * (max - min + 1));
}
