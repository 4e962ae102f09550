import { parseArgs } from "node:util";
import type { DataPlanePlugin } from "../../src/core/data-plane-plugin.ts";
import { globalStrictFairness } from "../../src/data-plane/admission/fairness/global-strict.ts";
import { deficitRoundRobinFairness } from "../../src/data-plane/admission/fairness/deficit-round-robin.ts";
import { programAwareFairness } from "../../src/data-plane/admission/fairness/program-aware.ts";
import { roundRobinFairness } from "../../src/data-plane/admission/fairness/round-robin.ts";
import { virtualTokenCounterFairness } from "../../src/data-plane/admission/fairness/virtual-token-counter.ts";
import { FlowControl } from "../../src/data-plane/admission/flow/flow-control.ts";
import { edfOrdering } from "../../src/data-plane/admission/ordering/edf.ts";
import { fcfsOrdering } from "../../src/data-plane/admission/ordering/fcfs.ts";
import {
  boundedResponseRatioOrdering,
  responseRatioOrdering,
} from "../../src/data-plane/admission/ordering/response-ratio.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import { type Random, seededRandom } from "../../src/std/random.ts";
import { buildPlugin } from "../../test/support/build-plugin.ts";
import { aHead, aRequest, endpoints } from "../../test/support/builders.ts";
import { FakeClock } from "../../test/support/fake-clock.ts";
import { pluginDeps } from "../../test/support/plugin-deps.ts";
import { aFlowPlan } from "../../test/support/queue-rig.ts";
import { aSnapshot } from "../../test/support/snapshots.ts";

// The queue alone, by how many requests wait: CPU time of one request that comes while that many wait, and of the one that
// is sent for it; the same for one whose client leaves; and the memory of one that waits. The scheduler costs nothing here.
//   node --expose-gc loadtest/micro/queue.bench.ts

const { values } = parseArgs({
  options: {
    waiting: { type: "string", multiple: true, default: ["100", "1000", "10000"] },
    /** Requests of one flow in the mean, for policies that tell flows apart. */
    "per-flow": { type: "string", default: "20" },
    requests: { type: "string", default: "4000" },
  },
});

interface Policies {
  readonly name: string;
  readonly fairness: DataPlanePlugin;
  readonly ordering: DataPlanePlugin;
}

const orderings: readonly DataPlanePlugin[] = [
  fcfsOrdering,
  edfOrdering,
  responseRatioOrdering,
  boundedResponseRatioOrdering,
];
const fairnesses: readonly DataPlanePlugin[] = [
  roundRobinFairness,
  virtualTokenCounterFairness,
  deficitRoundRobinFairness,
  programAwareFairness,
];
const policies: readonly Policies[] = [
  ...orderings.map((ordering) => ({
    name: ordering.type,
    fairness: globalStrictFairness,
    ordering,
  })),
  ...fairnesses.map((fairness) => ({ name: fairness.type, fairness, ordering: fcfsOrdering })),
];

/** Time stands still, so that one snapshot will do. */
const pool = aSnapshot({ endpoints: endpoints(2), nowMs: 0 });
/** Requests that come again and again, so that making them costs nothing. */
const requestsMade = 4_096;

/** A queue over a pool that is full, until `free` makes room for one request. */
class FullPool {
  readonly flow: FlowControl;
  readonly #random: Random = seededRandom(1);
  readonly #requests: readonly InferenceRequest[];
  readonly #waiting: (() => void)[] = [];
  #free = 0;

  constructor({ fairness, ordering }: Policies, flows: number) {
    this.#requests = Array.from({ length: Math.max(flows, requestsMade) }, (_, index) => {
      const promptTokens = Math.ceil(this.#random() * 4_000);
      return aRequest({ head: aHead(), model: `tenant-${index % flows}`, promptTokens });
    });
    const builtFairness = buildPlugin(fairness, {}, pluginDeps()).fairness ?? {};
    const builtOrdering = buildPlugin(ordering, {}, pluginDeps()).ordering ?? { compare: () => 0 };
    const bands = [{ requestsMax: 1_000_000, ttlMs: Number.POSITIVE_INFINITY }];
    const rules = {
      plan: aFlowPlan({ bands }),
      detector: { saturation: () => (this.#free > 0 ? 0 : 1) },
      usageLimit: { limit: () => undefined },
      priorities: () => none,
      fairnessIdOf: ({ model }: { readonly model: string }) => model,
      askedTtlMsOf: () => Number.POSITIVE_INFINITY,
      policiesOf: () => ({ fairness: builtFairness, ordering: builtOrdering }),
    };
    const observer = {
      passed: () => undefined,
      entered: () => undefined,
      left: () => undefined,
      evictionIssued: () => undefined,
      evictionEnded: () => undefined,
      checked: () => undefined,
      failed: (cause: unknown) => {
        throw cause;
      },
    };
    this.flow = new FlowControl(rules, { clock: new FakeClock(), snapshot: () => pool, observer });
  }

  arrive(): void {
    const request = this.#requests[Math.floor(this.#random() * this.#requests.length)];
    if (request === undefined) throw new Error("there are requests");
    const waiter = () => ({
      waits: (leave: () => void) => void this.#waiting.push(leave),
      turn: () => {
        this.#free -= 1;
        return undefined;
      },
      ownMs: () => request.promptTokens / 8,
      refuse: () => undefined,
    });
    this.flow.admit({ request, pool, receivedMs: 0, waiter });
  }

  async free(): Promise<void> {
    this.#free += 1;
    this.flow.wake();
    await Promise.resolve();
  }

  /** The client of any request leaves; of one that was sent, that changes nothing. */
  leave(): void {
    this.#waiting[Math.floor(this.#random() * this.#waiting.length)]?.();
  }
}

const none: readonly number[] = [];

function cpuUs({ user, system } = process.cpuUsage()): number {
  return user + system;
}

async function measured(each: Policies, waiting: number): Promise<readonly string[]> {
  const full = new FullPool(each, Math.ceil(waiting / Number(values["per-flow"])));
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  for (let count = 0; count < waiting; count += 1) full.arrive();
  globalThis.gc?.();
  const bytes = (process.memoryUsage().heapUsed - heap) / waiting;
  const requests = Number(values.requests);
  const turn = async () => {
    full.arrive();
    await full.free();
  };
  for (let count = 0; count < requests / 4; count += 1) await turn();
  let fromUs = cpuUs();
  for (let count = 0; count < requests; count += 1) await turn();
  const turnUs = (cpuUs() - fromUs) / requests;
  if (full.flow.size !== waiting) throw new Error(`${full.flow.size} wait in place of ${waiting}`);
  fromUs = cpuUs();
  while (full.flow.size > waiting / 2) full.leave();
  const leaveUs = (cpuUs() - fromUs) / (waiting / 2);
  return [each.name, String(waiting), turnUs.toFixed(1), leaveUs.toFixed(1), bytes.toFixed(0)];
}

const columns = ["policy", "waiting", "arrival and turn, us", "leaving, us", "bytes of one"];
const rows: (readonly string[])[] = [columns, columns.map(() => "---")];
for (const each of policies) {
  for (const waiting of values.waiting) rows.push(await measured(each, Number(waiting)));
}
process.stdout.write(`${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n`);
process.exit(0);
