import { describe, expect, it } from "vitest";
import type { Headrooms } from "../../../core/latency-prediction.ts";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, aHead, aPrediction, aRequest, endpoints } from "#test/support/builders.ts";
import { buildFilter, mistakesIn } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { sloHeadroomTierFilter } from "./slo-headroom-tier.ts";

interface Case {
  readonly headrooms: readonly (Headrooms | undefined)[] | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly chance?: number;
  readonly parameters?: object;
}

const bothNamed = { "x-llm-d-slo-ttft-ms": "100", "x-slo-tpot-ms": "20" };

function filterOf({ headrooms, chance = 0.5, parameters = {} }: Case) {
  const data =
    headrooms === undefined
      ? {}
      : { "latency-prediction": aPrediction({ headrooms: (slot) => headrooms[slot] }) };
  return buildFilter(sloHeadroomTierFilter, parameters, pluginDeps({ data, random: () => chance }));
}

function slotsKept(of: Case): readonly number[] {
  const head = aHead({ headers: new Map(Object.entries(of.headers ?? bothNamed)) });
  const context = aContext({ request: aRequest({ head }) });
  const kept = filterOf(of).filter(context, endpoints(of.headrooms?.length ?? 2));
  return kept.map(({ slot }) => slot);
}

const inTime = { ttftMs: 0, tpotMs: 0 };
const lateFirst = { ttftMs: -1, tpotMs: 5 };
const lateAfter = { ttftMs: 5, tpotMs: -1 };

describe("slo-headroom-tier-filter", () => {
  itKeepsTheFilterContract(filterOf({ headrooms: [inTime, lateFirst] }));

  it("keeps the endpoints that meet the objective", () => {
    expect(slotsKept({ headrooms: [inTime, lateFirst, lateAfter, undefined] })).toEqual([0]);
  });

  it("keeps the others instead as often as it is to explore", () => {
    const headrooms = [inTime, lateFirst, undefined];
    expect(slotsKept({ headrooms, chance: 0.009 })).toEqual([1, 2]);
    expect(slotsKept({ headrooms, chance: 0.01 })).toEqual([0]);
    const never = { epsilonExploreNeg: 0 };
    expect(slotsKept({ headrooms, chance: 0, parameters: never })).toEqual([0]);
    const always = { epsilonExploreNeg: 1 };
    expect(slotsKept({ headrooms, chance: 0.999, parameters: always })).toEqual([1, 2]);
  });

  it.each([
    ["all meet it", { headrooms: [inTime, inTime] }],
    ["none meets it", { headrooms: [lateFirst, lateAfter] }],
    ["there are no predictions", { headrooms: undefined }],
    ["no endpoint has one", { headrooms: [undefined, undefined] }],
    ["the client names no objective", { headrooms: [inTime, lateFirst], headers: {} }],
  ])("keeps all if %s", (_, of) => {
    expect(slotsKept({ ...of, chance: 0 })).toEqual([0, 1]);
  });

  it("takes no part for missed that the client did not name", () => {
    const headers = { "x-slo-ttft-ms": "100" };
    expect(slotsKept({ headrooms: [lateAfter, lateFirst, inTime], headers })).toEqual([0, 2]);
  });

  it("refuses a probability above 1", () => {
    expect(mistakesIn(sloHeadroomTierFilter, { epsilonExploreNeg: 1.1 })).toHaveLength(1);
  });
});
