import { describe, expect, it } from "vitest";
import { itKeepsTheScorerContract, scoresByRow } from "#test/contract/scorer.ts";
import { aLoad } from "#test/support/builders.ts";
import { buildScorer } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { anInFlightLoad } from "#test/support/request-data.ts";
import { activeRequestScorer } from "./active-request.ts";

const scorerWith = (parameters: { idleThreshold: number; maxBusyScore: number }) =>
  activeRequestScorer.create(parameters, pluginDeps());
const scorerThatReads = (requests: readonly number[]) =>
  buildScorer(
    activeRequestScorer,
    {},
    pluginDeps({ data: { "in-flight-load": anInFlightLoad({ requests }) } }),
  );

const byDefault = scorerWith({ idleThreshold: 0, maxBusyScore: 1 });
const tolerant = scorerWith({ idleThreshold: 2, maxBusyScore: 0.5 });

const scoresFor = (scorer: typeof byDefault, ...inFlight: number[]) =>
  scoresByRow(scorer, aLoad(inFlight.map((inFlightRequests) => ({ inFlightRequests }))));

describe("active-request-scorer", () => {
  itKeepsTheScorerContract(byDefault);

  it.each([
    // idle, (8 - 2) / 8, (8 - 8) / 8
    { inFlight: [0, 2, 8], scores: [1, 0.75, 0] },
    // All equal and busy: (3 - 3) / 3 each. The peer's formula, unlike the min-max ones.
    { inFlight: [3, 3], scores: [0, 0] },
    { inFlight: [0, 0], scores: [1, 1] },
    { inFlight: [1], scores: [0] },
  ])("scores $inFlight requests in flight $scores", ({ inFlight, scores }) => {
    expect(scoresFor(byDefault, ...inFlight)).toEqual(scores);
  });

  itKeepsTheScorerContract(scorerThatReads([3, 1, 4, 1, 5]));

  it("uses the requests that its producer counts", () => {
    const load = aLoad([{ inFlightRequests: 9 }, { inFlightRequests: 9 }, {}]);
    // (4 - 1) / 4, (4 - 4) / 4, idle
    expect(scoresByRow(scorerThatReads([1, 4, 0]), load)).toEqual([0.75, 0, 1]);
  });

  it("scores 1 if no request was sent", () => {
    expect(scoresByRow(byDefault, aLoad([{}, {}]))).toEqual([1, 1]);
  });

  describe("with idleThreshold 2 and maxBusyScore 0.5", () => {
    itKeepsTheScorerContract(tolerant);

    it("counts an endpoint as idle up to the threshold", () => {
      // 1, 2 <= 2; (10 - 3) / 10 x 0.5; (10 - 10) / 10 x 0.5
      const [one, two, three, ten] = scoresFor(tolerant, 1, 2, 3, 10);
      expect([one, two, ten]).toEqual([1, 1, 0]);
      expect(three).toBeCloseTo(0.35, 12);
    });
  });

  it("defaults to a threshold of 0 and a busy score of up to 1", () => {
    const parsed = activeRequestScorer.load({});
    expect(parsed).toMatchObject({
      kind: "loaded",
      parameters: { idleThreshold: 0, maxBusyScore: 1 },
    });
  });

  it.each([
    { idleThreshold: -1 },
    { idleThreshold: 0.5 },
    { maxBusyScore: 1.1 },
    { maxBusyScore: -0.1 },
    { maxBusyScore: "1" },
    { idleTreshold: 1 },
  ])("refuses %j", (parameters) => {
    expect(activeRequestScorer.load(parameters).kind).toBe("invalid");
  });

  it("accepts the timeout of existing documents, which has no effect", () => {
    const parameters = { requestTimeout: "2m", idleThreshold: 0, maxBusyScore: 0 };
    expect(activeRequestScorer.load(parameters).kind).toBe("loaded");
  });

  it.each([
    { parameters: {}, producer: undefined },
    { parameters: { inFlightLoadProducerName: "mine" }, producer: "mine" },
  ])("needs the load that $producer counts with $parameters", ({ parameters, producer }) => {
    expect(activeRequestScorer.load(parameters)).toMatchObject({
      needs: [{ data: "in-flight-load", producer, path: ["inFlightLoadProducerName"] }],
    });
  });
});
