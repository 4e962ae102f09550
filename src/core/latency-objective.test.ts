import { describe, expect, it } from "vitest";
import { aHead } from "#test/support/builders.ts";
import { meets, objectiveOf } from "./latency-objective.ts";

const objectiveIn = (headers: Readonly<Record<string, string>>) =>
  objectiveOf(aHead({ headers: new Map(Object.entries(headers)) }));

describe("the latency objective of a request", () => {
  it.each([
    [{}, undefined, undefined],
    [{ "x-llm-d-slo-ttft-ms": "200" }, 200, undefined],
    [{ "x-slo-tpot-ms": "12.5" }, undefined, 12.5],
    [{ "x-slo-ttft-ms": "300", "x-llm-d-slo-ttft-ms": "200" }, 200, undefined],
    [{ "x-slo-ttft-ms": "0", "x-slo-tpot-ms": "-1" }, undefined, undefined],
    [{ "x-slo-ttft-ms": "soon", "x-slo-tpot-ms": "Infinity" }, undefined, undefined],
    [{ "x-slo-ttft-ms": "" }, undefined, undefined],
  ])("of %o is %s and %s ms", (headers, ttftMs, tpotMs) => {
    expect(objectiveIn(headers)).toEqual({ ttftMs, tpotMs });
  });

  it.each([
    [{ ttftMs: 1, tpotMs: 1 }, { ttftMs: 0, tpotMs: 0 }, true],
    [{ ttftMs: 1, tpotMs: 1 }, { ttftMs: -1, tpotMs: 0 }, false],
    [{ ttftMs: 1, tpotMs: 1 }, { ttftMs: 0, tpotMs: -1 }, false],
    // A part that the client did not name cannot be missed.
    [{ ttftMs: 1, tpotMs: undefined }, { ttftMs: 0, tpotMs: -9 }, true],
    [{ ttftMs: undefined, tpotMs: 1 }, { ttftMs: -9, tpotMs: 0 }, true],
  ])("%o with the headrooms %o is met: %s", (objective, headrooms, isMet) => {
    expect(meets(objective, headrooms)).toBe(isMet);
  });
});
