import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aMixture,
  documents,
  someSpecs,
  someSteps,
  type Step,
} from "#test/support/decision-steps.ts";
import { LivingPool } from "#test/support/living-pool.ts";
import { SmallMemory } from "#test/support/small-memory.ts";
import type { DecisionRecord } from "../src/core/decision-record.ts";
import { decideAgain, type GraphToAsk } from "../src/data-plane/scheduling/decide-again.ts";
import type { DecisionInputs } from "../src/data-plane/scheduling/decision-inputs.ts";
import { DecisionLog } from "../src/data-plane/scheduling/decision-log.ts";
import { Scheduler, type SchedulingInput } from "../src/data-plane/scheduling/scheduler.ts";
import { buildConfig } from "../src/gateway/build-config.ts";
import type { EndpointSpec } from "../src/state/membership.ts";
import type { PluginMemory } from "../src/state/plugin-memory.ts";
import { seededRandom } from "../src/std/random.ts";

/** The plugins of a document, with empty memories. */
function pluginsOf(document: string, seed: number): GraphToAsk & { memory: PluginMemory } {
  const memory = new SmallMemory();
  const random = seededRandom(seed);
  const result = buildConfig(document, { memory, random, allowsTestOnly: true });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  return { memory, random, graph: result.build.dataPlane.graph };
}

interface Run {
  readonly specs: readonly EndpointSpec[];
  readonly steps: readonly Step[];
  /** True to decide about each request once more without sending it, before it is sent. */
  readonly tries?: boolean;
}

interface Recorded {
  readonly record: DecisionRecord;
  /** As text, so that nothing of the live picker is in it. */
  readonly inputs: string;
}

/** Schedules the requests of `steps` over a living pool, and returns the records of all of them. */
function recordsOf(document: string, { specs, steps, tries = false }: Run) {
  const { graph, random, memory } = pluginsOf(document, 7);
  const log = new DecisionLog({ recordsMax: steps.length, numbersMax: 200_000, chance: random });
  const scheduler = new Scheduler(graph, { ignoresSubset: false, log });
  const forget = (endpoint: Parameters<PluginMemory["forget"]>[0]) => memory.forget(endpoint);
  const pool = new LivingPool({ specs, onRestart: forget, onRemoved: forget });
  const recorded: Recorded[] = [];
  for (const step of steps) {
    if ("event" in step) {
      pool.happen(step.event);
      continue;
    }
    const { request } = step;
    if (tries) tried({ graph, random }, { request, snapshot: pool.snapshot() });
    const scheduled = scheduler.schedule({ request, snapshot: pool.snapshot() });
    const id = log.lastId;
    const [record, inputs] = [log.byId(id), log.inputsOf(id)];
    if (record === undefined || inputs === undefined) throw new Error("a decision has no record");
    recorded.push({ record, inputs: textOf(inputs) });
    if (scheduled.kind === "refused") continue;
    scheduler.sent(scheduled, (follower) => follower.firstToken?.(0));
    for (const [endpoint] of scheduled.decision.chosen.values()) {
      pool.send(endpoint, request.promptTokens);
    }
  }
  return recorded;
}

/** Decides about a request that is not sent, as a dry run does. */
function tried({ graph, random }: GraphToAsk, input: SchedulingInput): void {
  const log = new DecisionLog({ recordsMax: 1, numbersMax: 10_000 });
  const before = random?.state;
  new Scheduler(graph, { ignoresSubset: true, log }).schedule({ ...input, isTried: true });
  if (random !== undefined && before !== undefined) random.state = before;
}

/** JSON has no NaN, no infinity and no negative zero. */
function textOf(inputs: DecisionInputs): string {
  return JSON.stringify(inputs, (_key, value: unknown) =>
    typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
      ? { number: Object.is(value, -0) ? "-0" : String(value) }
      : value,
  );
}

function inputsIn(text: string): DecisionInputs {
  // Written by the function above.
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === "object" && value !== null && "number" in value ? Number(value.number) : value,
  ) as DecisionInputs;
}

/** All that a decision came to: filters, scores, pick. */
function resultOf(record: DecisionRecord) {
  const { profile, picked, margin, refusal, profiles, predicted, candidates } = record;
  return { profile, picked, margin, refusal, profiles, predicted, candidates };
}

const steps = someSteps({ minLength: 60, maxLength: 60 });
const sample = { numRuns: 1, seed: 3 };

/** Makes the decisions of a document again, with other plugins; returns how many there were. */
function againWith(document: string, seed: number): number {
  const [specs = []] = fc.sample(someSpecs, { ...sample, seed });
  const [taken = []] = fc.sample(steps, { ...sample, seed });
  // A request without a candidate is refused before there is anything to decide.
  const recorded = recordsOf(document, { specs, steps: taken }).filter(
    ({ record }) => record.candidateCount > 0,
  );
  const other = pluginsOf(document, 1);
  for (const { record, inputs } of recorded) {
    const again = decideAgain(inputsIn(inputs), other);
    // Faster than the matcher, which shows the difference.
    if (isDeepStrictEqual(resultOf(again), resultOf(record))) continue;
    expect(resultOf(again)).toEqual(resultOf(record));
  }
  return recorded.length;
}

describe("a record of a decision is enough to make the same decision again", () => {
  it("with 10,000 decisions of every document of this repository and of mixtures of plugins", () => {
    let count = 0;
    for (const [index, document] of documents.entries()) count += againWith(document, index + 1);
    const mixtures = fc.sample(aMixture, { numRuns: 1_000, seed: 5 });
    for (const [index, document] of mixtures.entries()) {
      if (count >= 10_000) break;
      count += againWith(document, index + 1);
    }
    expect(count).toBeGreaterThanOrEqual(10_000);
  }, 300_000);
});

describe("a decision that is only tried", () => {
  it("changes none of those that follow it, by any document of this repository", () => {
    for (const [index, document] of documents.entries()) {
      const [specs = []] = fc.sample(someSpecs, { ...sample, seed: index });
      const [taken = []] = fc.sample(someSteps({ minLength: 15, maxLength: 15 }), {
        ...sample,
        seed: index,
      });
      const [alone, withTries] = [false, true].map((tries) =>
        recordsOf(document, { specs, steps: taken, tries }).map(({ record }) => resultOf(record)),
      );
      expect(withTries).toEqual(alone);
    }
  }, 300_000);
});
