import { describe, expect, it } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, aLoad, endpoints, type LoadRow } from "#test/support/builders.ts";
import { buildFilter, mistakesIn, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { anInFlightLoad } from "#test/support/request-data.ts";
import { utilizationFilter } from "./utilization.ts";

const upTo = (metric: string, maxValue: number) => ({ metric, maxValue });

interface Case {
  readonly rows: readonly LoadRow[];
  readonly requests?: readonly number[];
}

function slotsKept(parameters: unknown, { rows, requests = [] }: Case): readonly number[] {
  const data = { "in-flight-load": anInFlightLoad({ requests }) };
  return buildFilter(utilizationFilter, parameters, pluginDeps({ data }))
    .filter(aContext({ load: aLoad(rows) }), endpoints(rows.length))
    .map(({ slot }) => slot);
}

describe("utilization-filter", () => {
  itKeepsTheFilterContract(
    buildFilter(utilizationFilter, {
      conditions: [upTo("waiting-queue", 3), upTo("kv-cache-utilization", 0.5)],
    }),
  );

  it("keeps an endpoint up to the value, and drops it above", () => {
    const conditions = [upTo("waiting-queue", 4)];
    const rows = [{ waitingRequests: 3 }, { waitingRequests: 4 }, { waitingRequests: 4.5 }];
    expect(slotsKept({ conditions }, { rows })).toEqual([0, 1]);
  });

  it.each([
    { metric: "running-requests", rows: [{ runningRequests: 9 }, { runningRequests: 1 }] },
    { metric: "waiting-queue", rows: [{ waitingRequests: 9 }, { waitingRequests: 1 }] },
    { metric: "kv-cache-utilization", rows: [{ kvCacheUsedRatio: 0.9 }, { kvCacheUsedRatio: 0 }] },
  ])("reads $metric", ({ metric, rows }) => {
    const max = metric === "kv-cache-utilization" ? 0.5 : 5;
    expect(slotsKept({ conditions: [upTo(metric, max)] }, { rows })).toEqual([1]);
  });

  it("reads active-requests from the producer of in-flight load", () => {
    const conditions = [upTo("active-requests", 5)];
    const rows = [{ inFlightRequests: 0 }, { inFlightRequests: 9 }];
    expect(slotsKept({ conditions }, { rows, requests: [6, 5] })).toEqual([1]);
  });

  it("requires every condition", () => {
    const conditions = [upTo("waiting-queue", 4), upTo("running-requests", 8)];
    const rows = [
      { waitingRequests: 5, runningRequests: 0 },
      { waitingRequests: 0, runningRequests: 9 },
      { waitingRequests: 4, runningRequests: 8 },
    ];
    expect(slotsKept({ conditions }, { rows })).toEqual([2]);
  });

  it.each([Number.NaN, Infinity, -Infinity, -1])(
    "keeps an endpoint whose metric is %s",
    (value) => {
      const conditions = [upTo("waiting-queue", 0)];
      const rows = [{ waitingRequests: value }, { waitingRequests: 1 }];
      expect(slotsKept({ conditions }, { rows })).toEqual([0]);
    },
  );

  it("keeps none if none meets the conditions, and all under fallbackOnEmpty", () => {
    const conditions = [upTo("waiting-queue", 0)];
    const rows = [{ waitingRequests: 1 }, { waitingRequests: 2 }];
    expect(slotsKept({ conditions }, { rows })).toEqual([]);
    expect(slotsKept({ conditions, fallbackOnEmpty: true }, { rows })).toEqual([0, 1]);
  });

  it("needs the in-flight load only for active-requests", () => {
    const inFlightLoadProducerName = "load";
    const needs = (metric: string) =>
      needsOf(utilizationFilter, { conditions: [upTo(metric, 1)], inFlightLoadProducerName });
    expect(needs("waiting-queue")).toEqual([]);
    expect(needs("active-requests")).toMatchObject([{ data: "in-flight-load", producer: "load" }]);
  });

  it.each([
    {},
    { conditions: [] },
    { conditions: [{ metric: "waiting-queue" }] },
    { conditions: [{ maxValue: 1 }] },
    { conditions: [upTo("waiting-queue", -1)] },
    { conditions: [upTo("gpu-utilization", 1)] },
    { conditions: [upTo("waiting-queue", 1)], fallback: true },
  ])("refuses %j", (parameters) => {
    expect(utilizationFilter.load(parameters).kind).toBe("invalid");
  });

  it("refuses a share of the cache above 1", () => {
    const parameters = { conditions: [upTo("kv-cache-utilization", 80)] };
    expect(mistakesIn(utilizationFilter, parameters)).toEqual([
      "conditions.0.maxValue: must be at most 1: kv-cache-utilization is a share of the cache",
    ]);
  });
});
