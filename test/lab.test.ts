import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { baselines } from "../loadtest/lab/baselines/baselines.ts";
import { whatIfs } from "../loadtest/lab/what-ifs.ts";
import {
  type Cell,
  type CellResult,
  planOfCell,
  runCell,
  workloadFileOf,
} from "../loadtest/lab/cells.ts";
import { EventQueue } from "../src/replay/lab/event-queue.ts";
import { runCells } from "../loadtest/lab/jobs.ts";
import { type Measures, measuresOf } from "../src/replay/lab/measures.ts";
import { helpText, readCommand, workloadNames } from "../loadtest/lab/options.ts";
import { planOf } from "../loadtest/lab/plan.ts";
import type { Conversation } from "../src/replay/lab/conversation.ts";
import { plotsOf } from "../loadtest/lab/plots.ts";
import { documentNames, policyOf } from "../loadtest/lab/policies.ts";
import { PromptTree } from "../src/replay/lab/prompt-tree.ts";
import { groupsOf, jsonOf, measuresTable, ratioOf, ratiosTable } from "../loadtest/lab/report.ts";
import { runOnce } from "../src/replay/lab/run.ts";
import type { SentRequest } from "../src/replay/lab/run-record.ts";
import { defaultSetup } from "../src/replay/lab/setup.ts";
import { parseTrace } from "../src/replay/lab/trace.ts";
import { parseWorkload, readWorkload } from "../loadtest/lab/workload.ts";

const blockTokens = 64;

/** A run takes a second, and much more while other suites have the cores. */
const busyMs = 300_000;

const smallCell: Cell = {
  workload: "chat",
  load: 0.5,
  seed: 1,
  policies: ["peer-default"],
  setup: { ...defaultSetup, engines: 4 },
  lengthMs: 30_000,
  drainMs: 300_000,
  warmUpMs: 0,
  traceFile: undefined,
};

async function resultsOf(cell: Partial<Cell>): Promise<readonly CellResult[]> {
  const results: CellResult[] = [];
  await runCell({ ...smallCell, ...cell }, (result) => results.push(result));
  return results;
}

async function measuresByPolicy(cell: Partial<Cell>): Promise<Record<string, Measures>> {
  const results = await resultsOf(cell);
  return Object.fromEntries(results.map(({ policy, measures }) => [policy, measures]));
}

describe("the event queue", () => {
  it("runs events in order of time, and those of one moment in order of planning", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (times) => {
        const queue = new EventQueue();
        const ran: (readonly [atMs: number, order: number])[] = [];
        for (const [order, atMs] of times.entries()) {
          queue.add(atMs, () => ran.push([queue.nowMs, order]));
        }
        while (queue.runNext(100));
        const wanted = times.map((atMs, order) => [atMs, order] as const);
        expect(ran).toEqual(wanted.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]));
      }),
    );
  });

  it("leaves events after the end", () => {
    const queue = new EventQueue();
    queue.add(11, () => expect.fail("it is too late"));
    expect(queue.runNext(10)).toBe(false);
  });
});

describe("a prompt of the tree", () => {
  const segment = fc.record({ key: fc.nat(2), tokens: fc.constant(100) });

  it("shares its full blocks with another as far as both have the same segments", () => {
    fc.assert(
      fc.property(fc.array(segment), fc.array(segment), (one, other) => {
        const root = new PromptTree(blockTokens).root();
        const [a, b] = [one, other].map((path) => {
          return path.reduce((node, each) => node.child(each), root).blocks();
        });
        const common = one.findIndex(({ key }, index) => key !== other[index]?.key);
        const commonTokens = (common === -1 ? one.length : common) * 100;
        expect(a).toHaveLength(Math.floor((one.length * 100) / blockTokens));
        const shared = a?.findIndex((block, index) => block !== b?.[index]);
        expect(shared === -1 ? a?.length : shared).toBe(Math.floor(commonTokens / blockTokens));
      }),
    );
  });

  it("has a text of four bytes a token that differs from the first token of a segment on", () => {
    const root = new PromptTree(blockTokens).root();
    const beginning = root.child({ key: 1, tokens: 10 });
    const [one, other] = [2, 3].map((key) => {
      const parts = beginning.child({ key, tokens: 5 }).parts();
      return parts.map((part) => (part.kind === "text" ? part.text : "")).join("");
    });
    expect(one).toHaveLength(60);
    expect(other).toHaveLength(60);
    expect(one?.slice(0, 40)).toBe(other?.slice(0, 40));
    expect(one?.slice(40, 44)).not.toBe(other?.slice(40, 44));
  });

  it("begins the blocks of an answer where those of its prompt end", () => {
    const prompt = new PromptTree(blockTokens).root().only({ key: 1, tokens: 100 });
    const answered = prompt.only({ key: 2, tokens: 100 });
    // 200 / 64: three full blocks, the first of which is the prompt's.
    expect(answered.blocks()).toEqual([...prompt.blocks(), ...answered.ownBlocks()]);
    expect(answered.ownBlocks()).toHaveLength(2);
    expect(answered.parts()).toHaveLength(answered.partCount);
  });
});

describe("a workload file", () => {
  it.each(workloadNames())("%s of the lab is valid", (name) => {
    expect(readWorkload(name, workloadFileOf(name)).summary).not.toBe("");
  });

  it.each([
    ["summary: s\nrate: 1\nkinds: []", "w: kinds: Too small"],
    ["summary: s\nrate: 0\nkinds: [{promptTokens: 1, outputTokens: 1}]", "w: rate: Too small"],
    [
      "summary: s\nrate: 1\nkinds: [{promptTokens: {min: 9, max: 1}, outputTokens: 1}]",
      "w: kinds[0].promptTokens: min must not be above max",
    ],
    [
      "summary: s\nrate: 1\nkinds: [{share: 0.4, promptTokens: 1, outputTokens: 1}]",
      "w: kinds: the shares must add up to 1, not 0.4",
    ],
    [
      "summary: s\nrate: 1\nrat: 2\nkinds: [{promptTokens: 1, outputTokens: 1}]",
      'w: Unrecognized key: "rat"',
    ],
    ["summary: s\ntrace: azure\nspeed: 1", 'w: trace: Invalid input: expected "mooncake"'],
    ["summary: [", "w: "],
  ])("%j is refused", (text, message) => {
    expect(() => parseWorkload("w", text)).toThrow(message);
  });
});

function planned(text: string, load = 1, seed = 1) {
  const workload = parseWorkload("w", text);
  const options = { load, engines: 8, lengthMs: 1_000_000, seed, blockTokens };
  return planOf({ workload, traceLines: undefined, ...options }).conversations;
}

const kind = "kinds: [{promptTokens: 100, outputTokens: 10}]";

function shareOfFirst(zipf: number): number {
  const plan = planned(`summary: s\nrate: 20\nadapters: {count: 4, zipf: ${zipf}}\n${kind}`);
  return plan.filter(({ adapter }) => adapter === "adapter-0").length / plan.length;
}

function sketchOf(conversations: readonly Conversation[]) {
  return conversations.map(({ atMs, turns }) => [atMs, turns[0]?.prompt.tokens]);
}

describe("a plan", () => {
  it("has the rate of its workload times the load", () => {
    // 5 a second for 1,000 s: 2,500 at half the load, give or take four standard deviations of 50.
    const count = planned(`summary: s\nrate: 5\n${kind}`, 0.5).length;
    expect(Math.abs(count - 2_500)).toBeLessThan(200);
  });

  it("has the same mean with bursts, which have `factor` times the rate of the rest", () => {
    const bursts = "bursts: {factor: 4, burstS: 10, everyS: 50}";
    const plan = planned(`summary: s\nrate: 20\n${bursts}\n${kind}`);
    // 20,000 in the mean; the rest has 20 x 50 / (40 + 4 x 10) = 12.5 a second, a burst 50.
    expect(Math.abs(plan.length - 20_000)).toBeLessThan(600);
    const inBursts = plan.filter(({ atMs }) => atMs % 50_000 < 10_000).length;
    expect(inBursts / plan.length).toBeCloseTo(0.5, 1);
  });

  it("draws adapters by Zipf's law, and evenly without", () => {
    expect(shareOfFirst(0)).toBeCloseTo(0.25, 1);
    // 1 / (1 + 1/2 + 1/3 + 1/4) = 0.48.
    expect(shareOfFirst(1)).toBeCloseTo(0.48, 1);
  });

  it("lets each turn begin with the prompt and the answer before it", () => {
    const text = "summary: s\nrate: 1\nkinds: [{turns: 3, promptTokens: 100, outputTokens: 50}]";
    const [conversation] = planned(text);
    const [first, second, third] = conversation?.turns ?? [];
    expect(second?.prompt.parent).toBe(first?.answered);
    expect(third?.prompt.tokens).toBe(100 + 50 + 100 + 50 + 100);
  });

  it("is the same for the same seed", () => {
    const text =
      "summary: s\nrate: 1\nkinds: [{promptTokens: {min: 1, max: 900}, outputTokens: 5}]";
    expect(sketchOf(planned(text))).toEqual(sketchOf(planned(text)));
    expect(sketchOf(planned(text))).not.toEqual(sketchOf(planned(text, 1, 2)));
  });
});

function line(timestamp: number, hash_ids: readonly number[]): string {
  const input_length = hash_ids.length * 512 - 100;
  return JSON.stringify({ timestamp, input_length, output_length: 3, hash_ids });
}

describe("a trace", () => {
  const text = [line(0, [7, 1]), line(1_000, [7, 2]), line(2_000, [8])].join("\n");

  it("shares prefixes by its ids, and goes on at its start after its end", () => {
    const workload = parseWorkload("w", "summary: s\ntrace: mooncake\nspeed: 1");
    const plan = planOf({
      ...{ workload, load: 1, engines: 8, lengthMs: 9_000, seed: 1, blockTokens: 512 },
      traceLines: parseTrace("t", text),
    });
    // Three requests in 3 s, for 9 s.
    expect(plan.conversations).toHaveLength(9);
    const prompts = plan.conversations.map(({ turns }) => turns[0]?.prompt);
    const tokens = prompts.map((prompt) => prompt?.tokens);
    expect(new Set(tokens)).toEqual(new Set([924, 412]));
    const firstBlocks = prompts.flatMap((prompt) => prompt?.blocks()[0] ?? []);
    expect(new Set(firstBlocks).size).toBe(1);
  });

  it.each([
    ["{", "t:1: not a JSON object with timestamp"],
    [`${line(0, [1])}\n{"timestamp": 1}`, "t:2: not a JSON object"],
    ["\n", "t: no requests"],
  ])("%j is refused", (wrong, message) => {
    expect(() => parseTrace("t", wrong)).toThrow(message);
  });
});

describe("a run", { timeout: busyMs }, () => {
  it("gives the same bytes for the same seed, on one thread and on two", async () => {
    const short = { ...smallCell, lengthMs: 10_000 };
    const cells = [short, { ...short, seed: 2 }];
    const alone = await runCells(cells, 1, () => undefined);
    const again = await runCells(cells, 2, () => undefined);
    expect(jsonOf(again)).toBe(jsonOf(alone));
    expect(alone.map(({ seed }) => seed)).toEqual([1, 2]);
  });

  it("sends every turn of every conversation, whatever the policy", async () => {
    const results = await resultsOf({ policies: ["random", "peer-tuned"] });
    const [one, other] = results.map(({ measures }) => measures);
    expect(one?.requests).toBe(other?.requests);
    expect(one).toMatchObject({ failed: 0, unfinished: 0 });
  });

  it("shows affinity to win on conversations", async () => {
    const chat = await measuresByPolicy({ policies: ["random", "peer-tuned"], load: 0.7 });
    expect(chat["peer-tuned"]?.ttftS.mean).toBeLessThan(0.3 * (chat["random"]?.ttftS.mean ?? 0));
    expect(chat["peer-tuned"]?.hitRatio).toBeGreaterThan(0.7);
    expect(chat["peer-tuned"]?.hitRatio).toBeLessThan(chat["peer-tuned"]?.idealHitRatio ?? 0);
  });

  it("shows true state to win on long prompts among short ones", async () => {
    const mixed = await measuresByPolicy({
      ...{ workload: "mixed", policies: ["least", "g-true", "greedy"], load: 0.7 },
      lengthMs: 60_000,
    });
    const leastS = mixed["least"]?.ttftS.mean ?? 0;
    expect(mixed["g-true"]?.ttftS.mean).toBeLessThan(0.8 * leastS);
    expect(mixed["greedy"]?.ttftS.mean).toBeLessThan(0.8 * leastS);
  });

  it("counts requests that never got a first token with the time they waited", async () => {
    const [result] = await resultsOf({ workload: "unique", load: 5, drainMs: 1_000 });
    expect(result?.measures.unfinished).toBeGreaterThan(100);
    expect(result?.measures.ttftS.p99).toBeGreaterThan(10);
  });

  it("refuses a trace without its file", async () => {
    await expect(resultsOf({ workload: "conv" })).rejects.toThrow("needs the trace: --trace FILE");
  });
});

describe("a disturbance", { timeout: busyMs }, () => {
  const unique = { workload: "unique", policies: ["least"] };
  const only = async (cell: Partial<Cell>) => {
    const [result] = await resultsOf({ ...unique, ...cell });
    if (result === undefined) throw new Error("no result");
    return result.measures;
  };
  const setup = smallCell.setup;

  it("slows engines from the start or from a moment on", async () => {
    const well = await only({});
    const half = await only({ setup: { ...setup, slowFactors: [4, 4] } });
    const speedChanges = [{ atMs: 0, engine: 0, slowFactor: 4 }];
    const late = await only({ setup: { ...setup, speedChanges } });
    expect(late.ttftS.mean).toBeGreaterThan(1.2 * well.ttftS.mean);
    expect(half.ttftS.mean).toBeGreaterThan(late.ttftS.mean);
  });

  it("restarts engines with an empty cache, and clients send again", async () => {
    const chat = { workload: "chat", policies: ["peer-tuned"] };
    const well = await only(chat);
    const restarted = await only({ ...chat, setup: { ...setup, restartEveryMs: 10_000 } });
    expect(restarted.failed).toBe(0);
    expect(restarted.requests).toBe(well.requests);
    expect(restarted.hitRatio).toBeLessThan(well.hitRatio);
  });

  it("turns prefix caching off on some engines", async () => {
    const chat = { workload: "chat", policies: ["random"] };
    const all = await only({ ...chat, setup: { ...setup, uncachedEngines: 4 } });
    expect(all.hitRatio).toBe(0);
  });

  it("lets broken engines answer everything at once with a token, and counts these answers as failed", async () => {
    const curtEngines = { count: 4, outputTokens: 1, fromMs: 15_000 };
    const half = await only({ setup: { ...setup, curtEngines } });
    expect(half.failed / half.requests).toBeCloseTo(0.5, 1);
    expect(half.unfinished).toBe(0);
  });

  it("shares the engines among pickers that know only their own requests", async () => {
    const chat = { workload: "chat", policies: ["peer-default"] };
    const one = await only(chat);
    const three = await only({ ...chat, setup: { ...setup, pickers: 3 } });
    expect(three).toMatchObject({ requests: one.requests, failed: 0, unfinished: 0 });
    expect(three.hitRatio).toBeLessThan(one.hitRatio);
  });

  it("turns reports off, and answers that come whole and tell no cached tokens, without a failure", async () => {
    const quiet = { reportEveryMs: undefined, streamShare: 0, tellsCachedTokens: false };
    const measures = await only({ policies: ["peer-default"], setup: { ...setup, ...quiet } });
    expect(measures).toMatchObject({ failed: 0, unfinished: 0 });
  });
});

describe("an engine that answers everything with a token", { timeout: busyMs }, () => {
  it.each(["unique", "groups", "chat"])("gets few requests of %s", async (workload) => {
    const engines = 8;
    const fromMs = 20_000;
    const curtEngines = { count: 1, outputTokens: 1, fromMs };
    const plan = planOf({
      workload: readWorkload(workload, workloadFileOf(workload)),
      ...{ load: 0.6, engines, lengthMs: 80_000, seed: 1, blockTokens, traceLines: undefined },
    });
    const policy = policyOf("pointsman");
    const setup = { ...defaultSetup, engines, curtEngines };
    const record = await runOnce({ plan, setup, policy, seed: 1, endMs: 80_000 });
    const since = record.sent.filter(({ sentMs }) => sentMs >= fromMs);
    const curt = since.filter(({ failure }) => failure === "curt");
    // An eighth is a fair share.
    expect(curt.length / since.length).toBeLessThan(0.07);
  });
});

describe("pickers that do not talk", { timeout: busyMs }, () => {
  it.each(["chat", "agents"])("agree where to look for conversations of %s", async (workload) => {
    const cell = { workload, load: 0.6, lengthMs: 60_000, warmUpMs: 15_000 };
    const of = (pickers: number, policies: readonly string[]) =>
      measuresByPolicy({ ...cell, policies, setup: { ...defaultSetup, pickers } });
    const one = await of(1, ["pointsman"]);
    const four = await of(4, ["pointsman", "least", "peer-default"]);
    const ttft = (all: typeof one, policy: string) => all[policy]?.ttftS.mean ?? Number.NaN;
    const hits = (all: typeof one) => all["pointsman"]?.hitRatio ?? Number.NaN;
    expect(hits(four)).toBeGreaterThan(0.95 * hits(one));
    expect(ttft(four, "pointsman")).toBeLessThan(1.4 * ttft(one, "pointsman"));
    expect(ttft(four, "pointsman")).toBeLessThan(0.4 * ttft(four, "peer-default"));
    expect(ttft(four, "pointsman")).toBeLessThan(0.4 * ttft(four, "least"));
  });
});

it(
  "pickers that do not talk learn of each other's adapters from reports",
  { timeout: busyMs },
  async () => {
    const setup = { ...defaultSetup, pickers: 4 };
    const cell = { workload: "lora-zipf", load: 0.7, lengthMs: 60_000, warmUpMs: 15_000, setup };
    const { pointsman, least } = await measuresByPolicy({
      ...cell,
      policies: ["pointsman", "least"],
    });
    // A request without a place waits for a whole answer, which takes seconds.
    expect(pointsman?.ttftS.p90).toBeLessThan(0.5);
    expect(pointsman?.ttftS.mean).toBeLessThan(0.1 * (least?.ttftS.mean ?? 0));
  },
);

const halfSlow = { ...defaultSetup, slowFactors: [2, 2, 2, 2] };
const mixed = { workload: "mixed", load: 0.6, lengthMs: 150_000, warmUpMs: 30_000 };

/** Mean seconds to the first token with this share of streams, where half of the engines are slow. */
async function mixedTtftS(streamShare: number): Promise<number> {
  const setup = { ...halfSlow, streamShare };
  const { pointsman } = await measuresByPolicy({ ...mixed, setup, policies: ["pointsman"] });
  return pointsman?.ttftS.mean ?? Number.NaN;
}

describe("answers that come whole", { timeout: busyMs }, () => {
  it("tell the engines that are slow", async () => {
    const runs = await measuresByPolicy({
      ...{ ...mixed, setup: { ...halfSlow, streamShare: 0 } },
      policies: ["pointsman", "least"],
    });
    const streamed = await measuresByPolicy({
      ...{ ...mixed, setup: halfSlow, policies: ["pointsman"] },
    });
    const [ttftS, leastS, streamedS] = [
      runs["pointsman"],
      runs["least"],
      streamed["pointsman"],
    ].map((measures) => measures?.ttftS.mean ?? Number.NaN);
    expect(ttftS).toBeLessThan(1.15 * (streamedS ?? 0));
    expect(ttftS).toBeLessThan(0.7 * (leastS ?? 0));
  });

  it("do not spoil what streams among them tell", async () => {
    expect(await mixedTtftS(0.5)).toBeLessThan(1.1 * (await mixedTtftS(1)));
  });

  it("are served without their usage", async () => {
    const setup = { ...halfSlow, streamShare: 0, tellsUsage: false };
    const { pointsman } = await measuresByPolicy({ ...mixed, setup, policies: ["pointsman"] });
    expect(pointsman).toMatchObject({ failed: 0, unfinished: 0 });
  });
});

/** Where each request of a plan of single requests went. */
async function slotsOf(policy: string, workload: string, load = 0.3): Promise<number[]> {
  const engineOptions = { ...defaultSetup.engineOptions, priorityScheduling: true };
  const setup = { ...defaultSetup, engines: 4, engineOptions };
  const plan = planOf({
    workload: readWorkload(workload, workloadFileOf(workload)),
    ...{ load, engines: 4, lengthMs: 20_000, seed: 3, blockTokens, traceLines: undefined },
  });
  const record = await runOnce({ plan, setup, policy: policyOf(policy), seed: 1, endMs: 200_000 });
  return record.sent.flatMap(({ slot }) => slot ?? []);
}

function countsOf(slots: readonly number[]): number[] {
  return [0, 1, 2, 3].map((slot) => slots.filter((each) => each === slot).length);
}

describe("a baseline", { timeout: busyMs }, () => {
  it.each(Object.keys(baselines))("%s routes every request", async (name) => {
    expect(await slotsOf(name, "unique")).not.toHaveLength(0);
  });

  it("round-robin takes one endpoint after another", async () => {
    const slots = await slotsOf("round-robin", "unique");
    expect(
      slots.every((slot, index) => index === 0 || slot === ((slots[index - 1] ?? 0) + 1) % 4),
    ).toBe(true);
  });

  it("random takes each about as often", async () => {
    const counts = countsOf(await slotsOf("random", "groups", 1));
    const mean = counts.reduce((sum, count) => sum + count, 0) / 4;
    for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(mean / 2);
  });

  it("consistent hashing spreads a common prefix when its endpoint has a quarter more than the mean", async () => {
    const counts = countsOf(await slotsOf("chwbl", "common", 0.8));
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeGreaterThan(Math.min(...counts));
  });

  it("session hash keeps a conversation where it is", async () => {
    const plan = planOf({
      workload: readWorkload("chat", workloadFileOf("chat")),
      ...{ load: 0.3, engines: 4, lengthMs: 20_000, seed: 3, blockTokens, traceLines: undefined },
    });
    const setup = { ...defaultSetup, engines: 4 };
    const policy = policyOf("session-hash");
    const record = await runOnce({ plan, setup, policy, seed: 1, endMs: 200_000 });
    const places = new Map<number, Set<number | undefined>>();
    for (const { conversation, slot } of record.sent) {
      places.set(conversation, (places.get(conversation) ?? new Set()).add(slot));
    }
    expect([...places.values()].every(({ size }) => size === 1)).toBe(true);
  });

  it("dualmap keeps a common prefix on two endpoints", async () => {
    const counts = countsOf(await slotsOf("dualmap", "common"));
    expect(counts.filter((count) => count > 0)).toHaveLength(2);
  });
});

describe("a what-if", { timeout: busyMs }, () => {
  it("known-lengths tells the neighbours of an answer from its true length", async () => {
    const cell = { workload: "batch", load: 0.8, policies: ["pointsman", "known-lengths"] };
    const { pointsman, "known-lengths": known } = await measuresByPolicy(cell);
    expect(known?.requests).toBe(pointsman?.requests);
    expect(known?.unfinished).toBe(0);
    expect(known?.ttftS.mean).not.toBe(pointsman?.ttftS.mean);
  });

  it("engine-priority serves short prompts first", async () => {
    const engineOptions = { ...defaultSetup.engineOptions, priorityScheduling: true };
    const { pointsman, "engine-priority": first } = await measuresByPolicy({
      ...{ workload: "mixed", load: 1.05, lengthMs: 60_000 },
      ...{ policies: ["pointsman", "engine-priority"] },
      setup: { ...smallCell.setup, engineOptions },
    });
    expect(first?.requests).toBe(pointsman?.requests);
    expect(first?.ttftS.mean).toBeLessThan(0.95 * (pointsman?.ttftS.mean ?? 0));
  });

  it("engine-priority needs engines that take one", async () => {
    const cell = { workload: "mixed", policies: ["engine-priority"] };
    await expect(resultsOf(cell)).rejects.toThrow("priorityScheduling=true");
  });
});

function timesAndSizesOf({ atMs, turns }: Conversation) {
  return [atMs, turns.map(({ outputTokens }) => outputTokens)];
}

/** Mean seconds to the first token of interactive requests. */
function interactiveS(measures: Measures | undefined): number {
  return measures?.ttftMeanSByObjective["interactive"] ?? Number.NaN;
}

describe("requests of one objective alone", () => {
  const cell = { ...smallCell, workload: "batch-backlog", lengthMs: 60_000 };

  it("come at the times at which they come among the others, with the same sizes", () => {
    const all = planOfCell(cell).conversations;
    const alone = planOfCell({ ...cell, onlyObjective: "interactive" }).conversations;
    expect(alone.length).toBeGreaterThan(0);
    expect(alone.length).toBeLessThan(all.length / 2);
    const among = all.filter(({ objective }) => objective === "interactive");
    expect(alone.map(timesAndSizesOf)).toEqual(among.map(timesAndSizesOf));
  });

  it("are what --only asks for", () => {
    const command = readCommand(["--workload", "batch-backlog", "--only", "interactive"]);
    if (command.kind !== "run") throw new Error("no run");
    expect(command.options.cells[0]?.onlyObjective).toBe("interactive");
  });
});

describe("interactive requests next to a backlog of batch", { timeout: busyMs }, () => {
  const cell = { workload: "batch-backlog", load: 0.8, lengthMs: 90_000, drainMs: 30_000 };

  it("are served soon by the policy with bands, and wait behind the batch without", async () => {
    const policies = ["pointsman", "pointsman-bands"];
    const beside = await measuresByPolicy({ ...cell, policies });
    const alone = await measuresByPolicy({
      ...{ ...cell, policies: ["pointsman"], onlyObjective: "interactive" },
    });
    const [none, bands] = [
      interactiveS(beside["pointsman"]),
      interactiveS(beside["pointsman-bands"]),
    ];
    expect(none).toBeGreaterThan(10 * bands);
    expect(bands).toBeLessThan(2 * interactiveS(alone["pointsman"]));
  });
});

describe("a document of the lab", { timeout: busyMs }, () => {
  it.each(documentNames())("%s is built by the product's own loader", async (name) => {
    expect(await slotsOf(name, "unique")).not.toHaveLength(0);
  });
});

describe("a bound", { timeout: busyMs }, () => {
  it("is below the next one, and all are below a policy", async () => {
    const names = ["own-prefill", "pooled-srpt", "pooled-response-ratio", "pooled-fcfs", "g-true"];
    const cell = { workload: "mixed", load: 0.8, lengthMs: 120_000, policies: names };
    const measures = await measuresByPolicy(cell);
    const means = names.map((name) => measures[name]?.ttftS.mean ?? 0);
    expect(means).toEqual(means.toSorted((a, b) => a - b));
    expect(measures["pooled-fcfs"]?.requests).toBe(measures["g-true"]?.requests);
  });

  it("by response ratio gains in the mean, and lets no long prompt wait as the shortest first do", async () => {
    const policies = ["pooled-srpt", "pooled-response-ratio", "pooled-fcfs"];
    const cell = { workload: "burst", load: 0.95, lengthMs: 120_000, policies };
    const measures = await measuresByPolicy(cell);
    const [srpt, ratio, fcfs] = policies.map((name) => measures[name]?.ttftS);
    if (srpt === undefined || ratio === undefined || fcfs === undefined) throw new Error("no run");
    expect(ratio.mean).toBeLessThan(0.9 * fcfs.mean);
    expect(ratio.p99).toBeLessThan(1.4 * fcfs.p99);
    expect(srpt.p99).toBeGreaterThan(1.4 * fcfs.p99);
  });

  it("has a prompt computed at the speed of one engine", async () => {
    const { "own-prefill": own } = await measuresByPolicy({
      ...{ workload: "unique", policies: ["own-prefill"] },
    });
    // 500 to 3,500 tokens at 8,000 a second: 0.25 s in the mean, and never above 0.4375 s.
    expect(own?.ttftS.mean).toBeCloseTo(0.25, 1);
    expect(own?.ttftS.p99).toBeLessThan(0.4376);
  });
});

function sent(of: Partial<SentRequest>): SentRequest {
  return {
    ...{ conversation: 0, begunMs: 0, sentMs: 0, promptTokens: 1_000, outputTokens: 11 },
    ...{ idealTokens: 500, adapter: undefined, objective: undefined, slot: 0 },
    ...{ firstTokenMs: 1_000, endedMs: 1_400, cachedTokens: 250, failure: undefined },
    ...of,
  };
}

describe("measures", () => {
  it("come from the requests of conversations that began after the warm-up", () => {
    const record = {
      sent: [
        sent({ begunMs: 0, firstTokenMs: 9_000 }),
        sent({ begunMs: 5_000, sentMs: 5_000, firstTokenMs: 6_000, endedMs: 6_400 }),
        sent({ begunMs: 6_000, sentMs: 6_000, firstTokenMs: undefined, endedMs: undefined }),
        sent({ begunMs: 6_000, sentMs: 6_000, failure: "no_endpoints" }),
      ],
      endMs: 9_000,
      prefillMs: [300, 100],
    };
    const measures = measuresOf(record, defaultSetup, 1_000);
    expect(measures).toMatchObject({ requests: 3, failed: 1, unfinished: 1 });
    // 1 s, and 3 s for the one that waits at the end.
    expect(measures.ttftS.mean).toBe(2);
    // 400 ms for the ten tokens after the first.
    expect(measures.tpotMs.mean).toBe(40);
    // One of the three that count is within 2 s and 50 ms.
    expect(measures.goodRatio).toBeCloseTo(1 / 3);
    expect(measures.hitRatio).toBe(0.25);
    expect(measures.idealHitRatio).toBe(0.5);
    expect(measures.imbalance).toBe(1.5);
    // 1,000 tokens take 125 ms and a step of 10 ms.
    expect(measures.slowdownMost).toBeCloseTo(3_000 / 135);
  });
});

function measuresWith(mean: number): Measures {
  const spread = { mean, p50: mean, p90: mean, p99: mean };
  return {
    ...{ requests: 1, failed: 0, unfinished: 0, ttftS: spread, tpotMs: spread, e2eS: spread },
    ...{ goodRatio: 1, hitRatio: 0, idealHitRatio: 0, imbalance: 1, slowdownMost: 1 },
    ttftMeanSByObjective: {},
  };
}

function resultWith(of: readonly [load: number, seed: number, policy: string], mean: number) {
  const [load, seed, policy] = of;
  return { workload: "w", load, engines: 8, seed, policy, measures: measuresWith(mean) };
}

describe("a comparison", () => {
  const results = [
    resultWith([0.5, 1, "a"], 1),
    resultWith([0.5, 1, "b"], 2),
    resultWith([0.5, 2, "a"], 1),
    resultWith([0.5, 2, "b"], 4),
    resultWith([0.5, 3, "a"], 10),
    resultWith([0.5, 3, "b"], 50),
    resultWith([0.7, 1, "a"], 1),
    resultWith([0.7, 1, "b"], 1),
  ];

  it("pairs runs by seed, takes the median of their ratios, and the geometric mean over cells", () => {
    const groups = groupsOf(results);
    const [first] = groups;
    if (first === undefined) throw new Error("no group");
    // 2, 4 and 5.
    expect(ratioOf(first, { policy: "b", reference: "a", measure: "ttftMeanS" })).toBe(4);
    // The square root of 4 x 1.
    expect(ratiosTable(groups, "a", "ttftMeanS")).toContain("| **geometric mean** | 1.00 | 2.00 |");
  });

  it("has a row for each cell and policy, and a plot of TTFT against load", () => {
    const groups = groupsOf(results);
    expect(measuresTable(groups).split("\n")).toHaveLength(2 + 4);
    const plots = plotsOf(groups);
    expect(plots.map(({ file }) => file)).toEqual(["w-8-engines.svg"]);
    expect(plots[0]?.svg).toMatch(/^<svg/);
    expect(plots[0]?.svg).toContain("share of capacity");
  });
});

describe("the command line", () => {
  it.each([
    [["--workload", "chat", "--load", "0"], "--load: must be a number from 0.01 to 20, got 0"],
    [["--workload", "none"], "--workload none: known are"],
    [["--workload", "conv"], "the workload conv needs the trace: --trace FILE"],
    [["--policy", "none"], "the policy none is unknown"],
    [["--workload", "chat", "--engine", "speed=1"], "--engine speed=1: known options are"],
    [["--workload", "chat", "--slow", "9=2"], "--slow: must be a number from 1 to 8, got 9"],
    [["--workload", "chat", "--reference", "p2c"], "--reference p2c: must be one of the policies"],
    [["--workload", "chat", "--curt", "9"], "--curt: must be a number from 0 to 8, got 9"],
    [["--workload", "chat", "--curt", "5:1=0"], "--curt: must be a number from 1 to 10000, got 0"],
    [["--workload", "batch,chat", "--only", "batch"], "--only batch: the workload chat has no"],
    [["--workload", "batch", "--only", "bulk"], "--only bulk: the workload batch has no requests"],
    [["--workload", "chat", "--pickers", "0"], "--pickers: must be a number from 1 to 16, got 0"],
    [["--workload", "chat", "--engines", "100000"], "--engines: must be a number from 1 to 1024"],
    [["--validate", "--policy", "least"], "--validate: least is no document"],
  ])("%j is refused", (args, message) => {
    expect(() => readCommand(args)).toThrow(message);
  });

  it("makes a cell of each workload, pool size, load and seed", () => {
    const command = readCommand([
      ...["--workload", "chat,lora", "--load", "0.5,0.7", "--engines", "4,8", "--seeds", "3"],
      ...["--slow", "2=4", "--report-every", "off", "--no-stream"],
      ...["--curt", "30:1=5", "--pickers", "2"],
    ]);
    if (command.kind !== "run") throw new Error("no run");
    expect(command.options.cells).toHaveLength(2 * 2 * 2 * 3);
    expect(command.options.cells[0]?.setup).toMatchObject({
      ...{ engines: 4, slowFactors: [4, 4], reportEveryMs: undefined, streamShare: 0 },
      ...{ curtEngines: { count: 1, outputTokens: 5, fromMs: 30_000 }, pickers: 2 },
    });
  });

  it("has help with every workload and policy", () => {
    const help = helpText();
    const policies = [...documentNames(), ...Object.keys(baselines), ...Object.keys(whatIfs)];
    for (const name of [...workloadNames(), ...policies]) {
      expect(help).toContain(`  ${name} `);
    }
  });
});
