import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresOf } from "#test/contract/scorer.ts";
import { aLoad, aRequest, endpoints, someAdapters } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { loraAffinityScorer } from "./lora-affinity.ts";

const scorer = loraAffinityScorer.create({}, pluginDeps());

function scoreFor(adapters: Parameters<typeof someAdapters>[0] | undefined, model = "tuned") {
  const load = aLoad([{ adapters: adapters && someAdapters(adapters) }]);
  return scoresOf(scorer, { request: aRequest({ model }), candidates: endpoints(1), load })[0];
}

describe("lora-affinity-scorer", () => {
  itKeepsTheScorerContract(scorer);

  it.each([
    { what: "has the adapter", adapters: { active: ["tuned"] }, score: 1 },
    {
      what: "has the adapter and is full",
      adapters: { active: ["tuned", "b"], waiting: ["c"], adaptersMax: 2 },
      score: 1,
    },
    { what: "is empty", adapters: {}, score: 0.8 },
    // 1 active + 1 waiting < 3
    {
      what: "has room",
      adapters: { active: ["a"], waiting: ["b"], adaptersMax: 3 },
      score: 0.8,
    },
    // 1 active + 1 waiting < 3: room comes before waiting
    {
      what: "has room and waits to load the adapter",
      adapters: { active: ["a"], waiting: ["tuned"], adaptersMax: 3 },
      score: 0.8,
    },
    // 1 active + 1 waiting = 2: full
    {
      what: "is full and waits to load the adapter",
      adapters: { active: ["a"], waiting: ["tuned"], adaptersMax: 2 },
      score: 0.6,
    },
    {
      what: "is full of others",
      adapters: { active: ["a"], waiting: ["b"], adaptersMax: 2 },
      score: 0,
    },
    // vLLM V1 lists the adapters of all requests as active and as waiting. 2 different ones < 4
    {
      what: "has room and lists its adapters as active and as waiting",
      adapters: { active: ["a", "b"], waiting: ["a", "b"], adaptersMax: 4 },
      score: 0.8,
    },
    // a, b and c: 3 different ones < 4
    {
      what: "has room and lists some of its adapters twice",
      adapters: { active: ["a", "b"], waiting: ["b", "c"], adaptersMax: 4 },
      score: 0.8,
    },
    // a, b, c and d: 4 different ones = 4
    {
      what: "is full of adapters of which it lists one twice",
      adapters: { active: ["a", "b", "c"], waiting: ["c", "d"], adaptersMax: 4 },
      score: 0,
    },
    {
      what: "has the adapter and lists it twice",
      adapters: { active: ["tuned", "b"], waiting: ["tuned", "b"], adaptersMax: 2 },
      score: 1,
    },
    { what: "can hold no adapter", adapters: { adaptersMax: 0 }, score: 0 },
    { what: "reports no adapters", adapters: undefined, score: 0 },
  ])("scores $score for an endpoint that $what", ({ adapters, score }) => {
    expect(scoreFor(adapters)).toBe(score);
  });

  it("scores only free places for a request for the base model", () => {
    expect(scoreFor({ active: ["a"], adaptersMax: 2 }, "llama")).toBe(0.8);
    expect(scoreFor({ active: ["a", "b"], adaptersMax: 2 }, "llama")).toBe(0);
    expect(scoreFor({ active: ["a"], adaptersMax: 2 }, "")).toBe(0.8);
  });

  it("distinguishes adapters by their exact names", () => {
    expect(scoreFor({ active: ["Tuned", "tuned-2"], adaptersMax: 2 })).toBe(0);
  });
});
