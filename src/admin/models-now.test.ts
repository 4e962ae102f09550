import { describe, expect, it } from "vitest";
import { aLoad, endpoints } from "#test/support/builders.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import { missingModelIn, modelsNowTexts } from "./models-now.ts";

/** A pool in which endpoint `i` lists the models of place `i`; undefined for one that has not told them. */
function poolOf(
  lists: readonly (readonly string[] | undefined)[],
  past: readonly string[] = [],
): PoolSnapshot {
  const models = new Map(
    lists.flatMap((names, slot) => (names === undefined ? [] : [[slot, new Set(names)] as const])),
  );
  const count = lists.length;
  const standing = {
    ...{ hasExceptions: false, codes: new Uint8Array(count), trialPlaces: new Uint8Array(count) },
    ...{ startRatios: new Float64Array(count), isCutOff: false },
  };
  return {
    ...{ standing, nowMs: 0 },
    endpoints: endpoints(lists.length),
    load: aLoad(lists.map(() => ({}))),
    models: models.size === 0 ? undefined : models,
    pastModels: new Set(past),
  };
}

const textsOf = (pool: PoolSnapshot, model: string) => {
  const now = missingModelIn(pool, model);
  return now === undefined ? undefined : modelsNowTexts(now).join("\n");
};

describe("missingModelIn", () => {
  it("is undefined for a model that an endpoint lists, for none, and if no endpoint lists any", () => {
    expect(missingModelIn(poolOf([["a"], ["b"]]), "b")).toBeUndefined();
    expect(missingModelIn(poolOf([["a"]]), "")).toBeUndefined();
    expect(missingModelIn(poolOf([undefined, undefined]), "a")).toBeUndefined();
  });

  it("counts the endpoints of each model, most first, and names those that have not told theirs", () => {
    const pool = poolOf([["base", "sql"], ["base"], undefined]);
    expect(missingModelIn(pool, "other")).toMatchObject({
      endpoints: 3,
      unknownCount: 1,
      unknown: [pool.endpoints[2]?.id],
      served: [
        { model: "base", endpoints: 2 },
        { model: "sql", endpoints: 1 },
      ],
      near: [],
      wasServed: false,
    });
    expect(textsOf(pool, "other")).toContain("1 endpoint has not told their models");
  });

  it.each([
    { what: "a letter wrong", asked: "sim-modle", near: ["sim-model"] },
    { what: "another owner", asked: "Llama-3.1-8B", near: ["meta-llama/llama-3.1-8b"] },
    { what: "a long other name", asked: "x".repeat(256), near: [] },
    { what: "half of the letters wrong", asked: "sql-modem-x", near: [] },
  ])("finds the served name for $what", ({ asked, near }) => {
    const pool = poolOf([["sim-model", "meta-llama/llama-3.1-8b"]]);
    expect(missingModelIn(pool, asked)?.near).toEqual(near);
  });

  it("says that a model was listed before, and that an adapter may be loaded nowhere", () => {
    const pool = poolOf([["base"], ["base"]], ["sql"]);
    expect(textsOf(pool, "sql")).toContain("an endpoint listed it before, and none does now");
    expect(textsOf(pool, "sql")).not.toContain("adapters");
    const adapters = { active: new Set<string>(), waiting: new Set<string>(), adaptersMax: 2 };
    const load = { ...pool.load, adapters: [adapters] };
    expect(textsOf({ ...pool, load }, "sql")).toContain("1 of 2 endpoints take adapters");
  });

  it("shows ten of many models", () => {
    const names = Array.from({ length: 5_000 }, (_, each) => `model-${each}`);
    expect(textsOf(poolOf([names]), "other")).toMatch(/and 4990 more$/mu);
  });
});
