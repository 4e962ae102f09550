import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { settledClaims } from "./address-claims.ts";
import { EndpointStore } from "./endpoint-store.ts";
import { PoolSlots } from "./pool-slots.ts";
import { type EndpointSpec, redescribed } from "./membership.ts";

const drains = [undefined, "not-ready", "terminating", "preempted"] as const;

interface Described {
  readonly name: string;
  readonly host: number;
  readonly incarnation?: string;
  readonly drain?: EndpointSpec["drain"] | undefined;
  readonly label: string;
}

function specOf({ name, host, incarnation, drain, label }: Described): EndpointSpec {
  return {
    ...{ id: `n/${name}`, namespace: "n", name, address: `10.0.0.${host}`, port: 1 },
    labels: { label },
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(drain === undefined ? {} : { drain }),
  };
}

/**
 * One of few pods, so that lists often name the same ones, some twice, some at another's address.
 */
const anySpec = fc
  .record({
    name: fc.constantFrom("a", "b", "c", "d", "e"),
    host: fc.integer({ min: 1, max: 6 }),
    incarnation: fc.constantFrom("1", "2"),
    drain: fc.constantFrom(...drains),
    label: fc.constantFrom("x", "y"),
  })
  .map(specOf);

/** A list, or a change to the one before: one spec is replaced. */
const anyStep = fc.oneof(
  { arbitrary: fc.array(anySpec, { maxLength: 6 }), weight: 1 },
  {
    arbitrary: fc.record({
      at: fc.nat({ max: 5 }),
      drain: fc.constantFrom(...drains),
      label: fc.constantFrom("x", "y"),
    }),
    weight: 3,
  },
);

const keyOf = ({ id, address, port, incarnation }: EndpointSpec) =>
  [id, address, port, incarnation ?? ""].join(" ");

/**
 * The pool expected after `specs`, given the one before: its order and the details of each
 * endpoint.
 */
function expected(before: readonly EndpointSpec[], specs: readonly EndpointSpec[]) {
  const known = new Set(before.map(keyOf));
  const isLive = (identity: string) => known.has(identity);
  const wanted = settledClaims(specs, isLive).wanted;
  const stay = before.flatMap((spec) => wanted.get(keyOf(spec)) ?? []);
  const added = [...wanted.values()].filter(
    (spec) => !known.has(keyOf(spec)) && spec.drain !== "not-ready" && spec.drain !== "terminating",
  );
  return [...stay, ...added];
}

const described = ({ id, address, incarnation, drain, labels }: EndpointSpec) => ({
  ...{ id, address, incarnation, drain, labels: { ...labels } },
});

describe("a store that gets one list after another", () => {
  it("has the contents of the last one, in the same slots, by either way of applying it", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 12 }), (steps) => {
        const store = new EndpointStore(new PoolSlots(64));
        let specs: readonly EndpointSpec[] = [];
        let pool: readonly EndpointSpec[] = [];
        for (const step of steps) {
          specs = Array.isArray(step) ? step : withChange(specs, step);
          const before = store.endpoints();
          const change = store.apply(specs);
          pool = expected(pool, specs);
          expect(store.endpoints().map(described)).toEqual(pool.map(described));
          const slots = new Map(before.map((each) => [keyOf(each), each.slot]));
          for (const endpoint of store.endpoints()) {
            expect(endpoint.slot).toBe(slots.get(keyOf(endpoint)) ?? endpoint.slot);
            expect(store.endpointAt(endpoint.hostPort)).toBe(endpoint);
          }
          // A listener that only follows changes knows as much.
          const gone = new Set(change.removed.map(keyOf));
          const updated = new Map(change.updated.map((each) => [keyOf(each), each]));
          const followed = before
            .filter((each) => !gone.has(keyOf(each)))
            .map((each) => updated.get(keyOf(each)) ?? each);
          expect([...followed, ...change.added]).toEqual(store.endpoints());
        }
      }),
      { numRuns: 500 },
    );
  });
});

function withChange(
  specs: readonly EndpointSpec[],
  { at, drain, label }: { at: number; drain: EndpointSpec["drain"] | undefined; label: string },
): readonly EndpointSpec[] {
  const spec = specs[at];
  if (spec === undefined) return specs;
  const { drain: _, ...rest } = spec;
  const made = { ...rest, labels: { label }, ...(drain === undefined ? {} : { drain }) };
  return specs.with(at, made);
}

describe("the changed specs of a list", () => {
  const a = specOf({ name: "a", host: 1, label: "x" });
  const b = specOf({ name: "b", host: 1, label: "x" });
  const c = specOf({ name: "c", host: 1, label: "x" });

  it("are none if nothing changed, and those that were replaced", () => {
    const other = specOf({ name: "b", host: 1, label: "y" });
    expect(redescribed([a, b], [a, b])).toEqual([]);
    expect(redescribed([a, b], [a, other])).toEqual([other]);
  });

  it.each([
    ["fewer", [a]],
    ["more", [a, b, c]],
    ["others", [a, c]],
    ["another order", [b, a]],
  ])("are unknown for a list with %s", (_, after) => {
    expect(redescribed([a, b], after)).toBeUndefined();
  });
});
