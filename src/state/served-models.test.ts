import fc from "fast-check";
import { expect, it } from "vitest";
import { ServedModels } from "./served-models.ts";

it("has a model for as long as any endpoint lists it", () => {
  const served = new ServedModels();
  served.set("models", 0, new Set(["llama"]));
  served.set("adapters", 0, new Set(["llama", "sql"]));
  served.set("models", 1, new Set(["llama"]));
  served.forget(0);
  expect([served.has("llama"), served.has("sql")]).toEqual([true, false]);
  served.set("models", 1, new Set());
  expect(served.has("llama")).toBe(false);
});

it("agrees with a search through all endpoints", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c"));
  const step = fc.record({
    source: fc.constantFrom("models" as const, "adapters" as const),
    slot: fc.nat({ max: 2 }),
    /** Undefined for an endpoint that leaves. */
    names: fc.option(names, { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const served = new ServedModels();
      const named = new Map<string, readonly string[]>();
      for (const { source, slot, names: said } of steps) {
        if (said === undefined) {
          served.forget(slot);
          for (const each of ["models", "adapters"]) named.delete(`${each} ${slot}`);
        } else {
          served.set(source, slot, new Set(said));
          named.set(`${source} ${slot}`, said);
        }
        const all = new Set([...named.values()].flat());
        for (const name of ["a", "b", "c"]) expect(served.has(name)).toBe(all.has(name));
      }
    }),
  );
});

it("remembers models that no endpoint names any more, the last 1,024", () => {
  const served = new ServedModels();
  const names = Array.from({ length: 1_025 }, (_, index) => `model-${index}`);
  for (const name of names) served.set("models", 0, new Set([name]));
  served.forget(0);
  expect([served.has("model-9"), served.past.has("model-9")]).toEqual([false, true]);
  expect(served.past.has("model-0")).toBe(false);
  expect(served.past.has("other")).toBe(false);
  served.set("models", 0, new Set(["model-9"]));
  expect(served.past.has("model-9")).toBe(false);
});
