import { isDeepStrictEqual } from "node:util";
import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { parse } from "yaml";
import { describe, expect, it, vi } from "vitest";
import {
  aMixture,
  documents,
  someSpecs,
  someSteps,
  type Step,
} from "#test/support/decision-steps.ts";
import { LivingPool } from "#test/support/living-pool.ts";
import { SmallMemory } from "#test/support/small-memory.ts";
import type { PoolSnapshot } from "../src/core/pool-snapshot.ts";
import type { InferenceRequest } from "../src/core/request.ts";
import { buildConfig } from "../src/gateway/build-config.ts";
import { DecisionLog } from "../src/data-plane/scheduling/decision-log.ts";
import { producerPlugins } from "../src/data-plane/scheduling/producers/registry.ts";
import { schedulingPlugins } from "../src/data-plane/scheduling/registry.ts";
import { Scheduler, type Scheduled } from "../src/data-plane/scheduling/scheduler.ts";
import type { EndpointSpec } from "../src/state/membership.ts";
import type { PluginMemory } from "../src/state/plugin-memory.ts";
import { seededRandom } from "../src/std/random.ts";

/** A scheduler with a memory and random numbers of its own; two of one document begin alike. */
function schedulerOf(document: string) {
  const memory = new SmallMemory();
  const random = seededRandom(7);
  const result = buildConfig(document, { memory, random, allowsTestOnly: true });
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  result.build.keepMemory();
  const { graph, refusesUnknownModels } = result.build.dataPlane;
  const log = new DecisionLog({ numbersMax: 10_000, recordsMax: 4 });
  const scheduler = new Scheduler(graph, { ignoresSubset: false, refusesUnknownModels, log });
  const decide = (request: InferenceRequest, snapshot: PoolSnapshot) => {
    const { endpoints, load, nowMs } = snapshot;
    const { saturation, scheduled } = withoutClockAndChance(() => ({
      saturation: graph.detector.saturation(endpoints, load, nowMs),
      scheduled: scheduler.schedule({ request, snapshot }),
    }));
    return { saturation, scheduled, record: log.last(1)[0] };
  };
  /** The request leaves, and plugins learn from it. */
  const send = (scheduled: Scheduled) => {
    if (scheduled.kind === "refused") return;
    scheduler.sent(scheduled, (follower) => follower.firstToken?.(0));
  };
  return { memory, decide, send };
}

type Twin = ReturnType<typeof schedulerOf>;

const notAllowed = () => expect.unreachable("a decision depends on its inputs alone");

/** Runs something that may ask neither the time nor the chance of the process. */
function withoutClockAndChance<T>(run: () => T): T {
  const spies = [
    vi.spyOn(performance, "now").mockImplementation(notAllowed),
    vi.spyOn(Date, "now").mockImplementation(notAllowed),
    vi.spyOn(Math, "random").mockImplementation(notAllowed),
  ];
  try {
    return run();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

/** All that came of a decision but its inputs. */
function outcomeOf({ saturation, scheduled, record }: ReturnType<Twin["decide"]>) {
  const outcome = scheduled.kind === "routed" ? scheduled.decision : scheduled.refusal;
  return { saturation, outcome, record };
}

/** True if a value is what was written; V8 has two ways to write an array, so bytes can differ for equal values. */
function isUnchanged(value: unknown, bytes: Buffer): boolean {
  const after = serialize(value);
  return after.equals(bytes) || isDeepStrictEqual(deserialize(after), deserialize(bytes));
}

// Written by `serialize` from a snapshot.
const copyOf = (bytes: Buffer) => deserialize(bytes) as PoolSnapshot;

/**
 * Makes each decision twice: on the live snapshot and, once all of the pool has changed, on a serialized one, with as much
 * memory and the same random numbers. Fails if they differ, or if one changes what it was given. Returns the decisions.
 */
function decideTwice(document: string, specs: readonly EndpointSpec[], steps: readonly Step[]) {
  const [live, replayed] = [schedulerOf(document), schedulerOf(document)];
  const forget = (endpoint: Parameters<PluginMemory["forget"]>[0]) => {
    for (const { memory } of [live, replayed]) memory.forget(endpoint);
  };
  const pool = new LivingPool({ specs, onRestart: forget, onRemoved: forget });
  const decisions: ReturnType<Twin["decide"]>[] = [];
  for (const step of steps) {
    if ("event" in step) {
      pool.happen(step.event);
      continue;
    }
    const { request } = step;
    const snapshot = pool.snapshot();
    const [bytes, requestBytes] = [serialize(snapshot), serialize(request)];
    const decision = live.decide(request, snapshot);
    expect(isUnchanged(snapshot, bytes)).toBe(true);
    expect(isUnchanged(request, requestBytes)).toBe(true);
    live.send(decision.scheduled);
    pool.disturb();
    const copy = copyOf(bytes);
    const again = replayed.decide(request, copy);
    expect(outcomeOf(again)).toEqual(outcomeOf(decision));
    expect(isUnchanged(copy, bytes)).toBe(true);
    replayed.send(again.scheduled);
    decisions.push(decision);
    if (decision.scheduled.kind === "refused") continue;
    for (const [endpoint] of decision.scheduled.decision.chosen.values()) {
      pool.send(endpoint, request.promptTokens);
    }
  }
  return decisions;
}

/** Documents of this repository by the plugins that they name. */
const documentsOf = new Map<string, string[]>();
for (const document of documents) {
  // The tests of configurations and scenarios check their form.
  const { plugins } = parse(document) as { plugins?: readonly { type: string }[] };
  for (const type of new Set((plugins ?? []).map((plugin) => plugin.type))) {
    documentsOf.set(type, [...(documentsOf.get(type) ?? []), document]);
  }
}
const steps = someSteps({ minLength: 1, maxLength: 30 });
const types = [...schedulingPlugins, ...producerPlugins].map(({ type }) => type);

describe("a decision is the same on the live snapshot and on a serialized one, and changes neither", () => {
  it.each(types)(
    "with %s",
    (type) => {
      const aDocument = fc.constantFrom(...(documentsOf.get(type) ?? []));
      fc.assert(
        fc.property(aDocument, someSpecs, steps, (...given) => {
          const asked = given[2].filter((step) => "request" in step);
          expect(decideTwice(...given)).toHaveLength(asked.length);
        }),
        { numRuns: 2, seed: 1, endOnFailure: true },
      );
    },
    60_000,
  );

  it("with any mixture of scorers, filters and pickers, whether or not endpoints are well", () => {
    const decisions: ReturnType<typeof decideTwice> = [];
    fc.assert(
      fc.property(aMixture, someSpecs, steps, (...given) => {
        decisions.push(...decideTwice(...given));
      }),
      { numRuns: 15, seed: 1, endOnFailure: true },
    );
    const isUnwell = ({ record }: (typeof decisions)[number]) =>
      record?.profiles.some(({ unwell }) => unwell.length > 0) === true;
    expect(decisions.filter(({ scheduled }) => scheduled.kind === "routed").length).toBeGreaterThan(
      30,
    );
    expect(decisions.filter(isUnwell).length).toBeGreaterThan(10);
  }, 60_000);
});
