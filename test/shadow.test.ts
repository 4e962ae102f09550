import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { documents, someSpecs, someSteps, type Step } from "#test/support/decision-steps.ts";
import { LivingPool } from "#test/support/living-pool.ts";
import { SmallMemory } from "#test/support/small-memory.ts";
import type { RequestFollower } from "../src/core/request-follower.ts";
import { DecisionLog } from "../src/data-plane/scheduling/decision-log.ts";
import { Scheduler } from "../src/data-plane/scheduling/scheduler.ts";
import { SecondScheduler } from "../src/data-plane/scheduling/second-scheduler.ts";
import { buildConfig } from "../src/gateway/build-config.ts";
import type { EndpointSpec } from "../src/state/membership.ts";
import type { PluginMemory } from "../src/state/plugin-memory.ts";
import { seededRandom } from "../src/std/random.ts";

/** The plugins of a document, with empty memories. */
function pluginsOf(document: string) {
  const memory = new SmallMemory();
  const random = seededRandom(7);
  const result = buildConfig(document, { memory, random, allowsTestOnly: true });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  return { memory, random, graph: result.build.dataPlane.graph };
}

interface Run {
  readonly document: string;
  /** Compared with the other one, after each decision. */
  readonly shadow?: string | undefined;
  readonly specs: readonly EndpointSpec[];
  readonly steps: readonly Step[];
}

const learn = (follower: RequestFollower) => follower.firstToken?.(0);

/** Decides about the requests of `steps`; returns the records, and the reasons of the shadow document. */
function decided({ document, shadow, specs, steps }: Run) {
  const inForce = pluginsOf(document);
  const { random: chance } = inForce;
  const log = new DecisionLog({ recordsMax: steps.length, numbersMax: 200_000, chance });
  const scheduler = new Scheduler(inForce.graph, { ignoresSubset: false, log });
  const beside = shadow === undefined ? undefined : pluginsOf(shadow);
  const second = beside && new SecondScheduler(beside.graph, { ignoresSubset: false });
  const forget = (endpoint: Parameters<PluginMemory["forget"]>[0]) => {
    inForce.memory.forget(endpoint);
    beside?.memory.forget(endpoint);
  };
  const pool = new LivingPool({ specs, onRestart: forget, onRemoved: forget });
  const reasons: string[] = [];
  for (const step of steps) {
    if ("event" in step) {
      pool.happen(step.event);
      continue;
    }
    const snapshot = pool.snapshot();
    const before = chance.state;
    const scheduled = scheduler.schedule({ request: step.request, snapshot });
    if (scheduled.kind === "refused") continue;
    scheduler.sent(scheduled, learn);
    if (second !== undefined && beside !== undefined) {
      // The same draws, so that a tie is no difference.
      beside.random.state = before;
      const opinion = second.decide(scheduled, snapshot);
      reasons.push(opinion.reason);
      second.learn(opinion, scheduled, learn);
    }
    for (const [endpoint] of scheduled.decision.chosen.values()) {
      pool.send(endpoint, step.request.promptTokens);
    }
  }
  return { records: log.last(steps.length), reasons };
}

/** A scheduler that can also look at the decisions of another one. */
function pickerOf(document: string) {
  const { memory, random, graph } = pluginsOf(document);
  const log = new DecisionLog({ recordsMax: 1, numbersMax: 10_000 });
  const scheduler = new Scheduler(graph, { ignoresSubset: false, log });
  return {
    memory,
    random,
    scheduler,
    second: new SecondScheduler(graph, { ignoresSubset: false }),
  };
}

/**
 * Two pickers with one document, of which either decides about a request, and the other learns from it; returns the picks.
 */
function decidedInTurns({ document, specs, steps }: Run, shareOfSecond: number): readonly string[] {
  const both = [pickerOf(document), pickerOf(document)];
  const forget = (endpoint: Parameters<PluginMemory["forget"]>[0]) => {
    for (const { memory } of both) memory.forget(endpoint);
  };
  const pool = new LivingPool({ specs, onRestart: forget, onRemoved: forget });
  const turns = seededRandom(5);
  const picks: string[] = [];
  let chance = 7;
  for (const step of steps) {
    if ("event" in step) {
      pool.happen(step.event);
      continue;
    }
    const isSecond = turns() < shareOfSecond;
    const [decider, other] = isSecond ? both.toReversed() : both;
    if (decider === undefined || other === undefined) throw new Error("there are two");
    const { request } = step;
    const snapshot = pool.snapshot();
    decider.random.state = chance;
    const scheduled = decider.scheduler.schedule({ request, snapshot });
    const after = decider.random.state;
    if (scheduled.kind === "routed") {
      decider.scheduler.sent(scheduled, learn);
      other.random.state = chance;
      other.second.learn(other.second.decide(scheduled, snapshot), scheduled, learn);
      for (const [endpoint] of scheduled.decision.chosen.values()) {
        pool.send(endpoint, request.promptTokens);
      }
    }
    chance = after;
    picks.push(scheduled.kind === "routed" ? scheduled.decision.targets[0].endpoint.id : "refused");
  }
  return picks;
}

function samples(seed: number, length: number) {
  const sample = { numRuns: 1, seed };
  const [specs = []] = fc.sample(someSpecs, sample);
  const [steps = []] = fc.sample(someSteps({ minLength: length, maxLength: length }), sample);
  return { specs, steps };
}

/** Each document takes the memory of a picker, so that each test has a part of them. */
const everyNth = (n: number) => documents.filter((_, index) => index % n === 0);

describe("a shadow document", () => {
  it("changes no decision, whatever document is its shadow", () => {
    for (const [index, document] of everyNth(8).entries()) {
      const run = { document, ...samples(index, 30) };
      const shadow = documents[(index * 7 + 3) % documents.length];
      expect(decided({ ...run, shadow }).records).toEqual(decided(run).records);
    }
  }, 300_000);

  it("agrees with the same document in every decision", () => {
    let count = 0;
    for (const [index, document] of everyNth(5).entries()) {
      const { reasons } = decided({ document, shadow: document, ...samples(index, 40) });
      const differing = reasons.filter((reason) => reason !== "same");
      expect({ document, differing }).toEqual({ document, differing: [] });
      count += reasons.length;
    }
    expect(count).toBeGreaterThan(200);
  }, 300_000);

  it("decides in turns with the same document as one document alone, because each learns from the other", () => {
    for (const [index, document] of everyNth(8).entries()) {
      const run = { document, ...samples(index, 40) };
      const [alone, inTurns] = [0, 0.5].map((share) => decidedInTurns(run, share));
      expect({ document, picks: inTurns }).toEqual({ document, picks: alone });
    }
  }, 300_000);
});
