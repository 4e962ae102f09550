import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ModelLabels } from "./label-set.ts";
import { type Bound, type LabelHold, LabelSets, type LabelSetOptions } from "./label-sets.ts";

interface Names {
  readonly model?: string;
  readonly target?: string;
  readonly flow?: string;
}

/** Labels of the model `llama` in the default flow unless told. */
function labels({ model = "llama", target = model, flow = "default-flow" }: Names): ModelLabels {
  return { model_name: model, target_model_name: target, fairness_id: flow, priority: "0" };
}

/** Sets where `llama` and `alias` are known, and a rule asks for `llama` in place of `alias`. */
function someSets(options: Partial<LabelSetOptions> = {}) {
  const clock = { nowMs: 0 };
  const folded: Bound[] = [];
  const known = new Set(["llama", "alias"]);
  const sets = new LabelSets({
    width: 1,
    known: {
      has: (model) => known.has(model),
      rewrites: (model, target) => model === "alias" && target === "llama",
    },
    nowMs: () => clock.nowMs,
    onFolded: (bound) => folded.push(bound),
    ...options,
  });
  return {
    sets,
    clock,
    folded,
    known,
    /** The labels that a request begins and ends under; an engine answers it well unless told. */
    ran: (names: Names, isProof = true): readonly string[] => {
      const hold = sets.begin(labels(names));
      const before = shown(hold.set.labels);
      return [before, shown(sets.end(hold, isProof).labels)];
    },
    /** The labels of a request that no engine got. */
    refused: (names: Names) => shown(sets.ofUnsent(labels(names)).labels),
    all: () => sets.list().map((set) => shown(set.labels)),
  };
}

function shown({ model_name: model, target_model_name: target, fairness_id: flow }: ModelLabels) {
  return [model, ...(target === model ? [] : [target]), flow].join(" ");
}

describe("a name that clients invent", () => {
  it("takes no room where the request is refused", () => {
    const { refused, all } = someSets();
    for (let index = 0; index < 1_100; index += 1) {
      expect(refused({ model: `m${index}` })).toBe("other default-flow");
    }
    expect(refused({ model: "llama" })).toBe("llama default-flow");
    expect(all()).toEqual(["other default-flow", "llama default-flow"]);
  });

  it("has its own label until an engine refuses it, and takes no room then", () => {
    const { ran, all } = someSets();
    for (let index = 0; index < 1_100; index += 1) {
      expect(ran({ model: `m${index}` }, false)).toEqual([
        `m${index} default-flow`,
        "other default-flow",
      ]);
    }
    expect(ran({ model: "real" })).toEqual(["real default-flow", "real default-flow"]);
    expect(all()).toEqual(["other default-flow", "real default-flow"]);
  });

  it("keeps its label once an engine has answered it well, also where later ones fail", () => {
    const { ran, refused } = someSets();
    ran({ model: "real" });
    expect(ran({ model: "real" }, false)[1]).toBe("real default-flow");
    expect(refused({ model: "real" })).toBe("real default-flow");
  });

  it("keeps its label while another request of its own runs", () => {
    const { sets } = someSets();
    const [first, second] = [
      sets.begin(labels({ model: "m" })),
      sets.begin(labels({ model: "m" })),
    ];
    expect(sets.end(first, false)).toBe(second.set);
    expect(shown(sets.end(second, false).labels)).toBe("other default-flow");
  });

  it("leaves what it has counted to `other`", () => {
    const { sets } = someSets();
    const other = sets.ofUnsent(labels({ model: "refused" }));
    other.values[0] = 5;
    const hold = sets.begin(labels({ model: "m" }));
    hold.set.values[0] = 2;
    hold.set.errors.set("upstream_404", 1);
    expect(sets.end(hold, false)).toBe(other);
    // 5 + 2
    expect(other.values[0]).toBe(7);
    expect(other.errors.get("upstream_404")).toBe(1);
    expect(hold.set.isGone).toBe(true);
  });

  it("counts as `other` where more than a hundred are in flight, and has its own label next time", () => {
    const { sets, ran, folded } = someSets();
    for (let index = 0; index < 100; index += 1) sets.begin(labels({ model: `m${index}` }));
    expect(ran({ model: "real" })).toEqual(["other default-flow", "other default-flow"]);
    expect(folded).toEqual(["unproven"]);
    expect(ran({ model: "real" })).toEqual(["real default-flow", "real default-flow"]);
  });

  it("does not push out a model that a client could not invent", () => {
    const { ran, folded } = someSets({ modelSetsMax: 3 });
    for (let index = 0; index < 5; index += 1) ran({ model: `m${index}` });
    expect(ran({ model: "m1" })[0]).toBe("m1 default-flow");
    expect(ran({ model: "m4" })[0]).toBe("other default-flow");
    expect(ran({ model: "llama" })[0]).toBe("llama default-flow");
    expect(ran({ model: "alias", target: "llama" })[0]).toBe("alias llama default-flow");
    expect(new Set(folded)).toEqual(new Set(["models"]));
  });

  it("leaves a known name its label beside it", () => {
    const { ran } = someSets({ modelSetsMax: 0 });
    expect(ran({ model: "llama", target: "invented" })[0]).toBe("llama other default-flow");
    expect(ran({ model: "invented", target: "llama" })[0]).toBe("other llama default-flow");
    // Both are known, but no rule asks for `alias` in place of `llama`.
    expect(ran({ model: "llama", target: "alias" })[0]).toBe("llama other default-flow");
  });

  it.each([257, 100_000])("of %i characters is `other`", (length) => {
    const { ran } = someSets();
    const name = "x".repeat(length);
    expect(ran({ model: name })[0]).toBe("other default-flow");
    expect(ran({ flow: name })[0]).toBe("llama other");
    expect(ran({ model: "x".repeat(256) })[0]).toContain("xxx");
  });

  it("is one with another that cannot be told from it on the page", () => {
    const { ran, all } = someSets();
    for (const half of ["\ud800", "\ud801"]) {
      ran({ model: `m${half}` });
      ran({ model: `m${half}` });
    }
    expect(all()).toEqual(["m\ufffd default-flow"]);
  });

  it("counts with `other` where it is called so", () => {
    const { ran, refused, all } = someSets();
    refused({ model: "invented" });
    ran({ model: "other" });
    expect(all()).toEqual(["other default-flow"]);
  });
});

describe("fairness ids", () => {
  it("have room for a thousand, whatever their order, and are `other` beyond", () => {
    const { ran, folded } = someSets();
    for (let index = 0; index < 1_000; index += 1) ran({ flow: `t${index}` });
    expect(ran({ flow: "t1000" })[0]).toBe("llama other");
    expect(ran({ flow: "t999" })[0]).toBe("llama t999");
    expect(folded).toEqual(["flows"]);
  });

  it("are `other` beyond their own limit for each model", () => {
    const { ran, folded } = someSets({ fairnessIdsMax: 2 });
    ran({ flow: "a" });
    ran({ flow: "b" });
    expect(ran({ flow: "c" })[0]).toBe("llama other");
    expect(ran({ model: "alias", flow: "b" })[0]).toBe("alias b");
    expect(ran({})[0]).toBe("llama default-flow");
    expect(folded).toEqual(["fairness-ids"]);
  });

  it("are all `other` with a limit of 0, the default one too", () => {
    const { ran, all } = someSets({ fairnessIdsMax: 0 });
    expect(ran({ flow: "a" })[1]).toBe("llama other");
    expect(ran({})[1]).toBe("llama other");
    expect(all()).toEqual(["llama other"]);
  });

  it("do not push models into `other`, however many they are", () => {
    const { ran } = someSets({ flowSetsMax: 10 });
    for (let index = 0; index < 50; index += 1) ran({ model: `m${index % 3}`, flow: `t${index}` });
    expect(ran({ model: "m2", flow: "t49" })[1]).toBe("m2 other");
    expect(ran({ model: "new", flow: "t49" })[1]).toBe("new other");
  });
});

describe("a set that is not used for an hour", () => {
  const hourMs = 3_600_000;

  it("makes room for another where all is taken", () => {
    const { ran, clock, all } = someSets({ modelSetsMax: 2 });
    ran({ model: "a" });
    clock.nowMs = hourMs / 2;
    ran({ model: "b" });
    expect(ran({ model: "c" })[1]).toBe("other default-flow");
    clock.nowMs = hourMs;
    expect(ran({ model: "c" })[1]).toBe("c default-flow");
    expect(all()).toEqual(["b default-flow", "other default-flow", "c default-flow"]);
  });

  it("stays where there is room, where a request of its own runs, and where its model is known", () => {
    const { sets, ran, clock, all } = someSets({ modelSetsMax: 2 });
    ran({ model: "llama" });
    ran({ model: "a" });
    clock.nowMs = hourMs;
    sets.begin(labels({ model: "b" }));
    expect(all()).toContain("a default-flow");
    clock.nowMs = 3 * hourMs;
    sets.begin(labels({ model: "c" }));
    expect(all()).toEqual(["llama default-flow", "b default-flow", "c default-flow"]);
  });

  it("tells which target models are left", () => {
    const left: (readonly string[])[] = [];
    const { ran, clock } = someSets({
      modelSetsMax: 1,
      onDropped: (targets) => left.push([...targets]),
    });
    ran({ model: "a" });
    ran({});
    clock.nowMs = hourMs;
    ran({ model: "b" });
    expect(left).toEqual([["llama"]]);
  });
});

it("a model that is known no more needs room like any other, and gives it back", () => {
  const { ran, known, clock, all } = someSets({ modelSetsMax: 1 });
  ran({ model: "alias" });
  known.delete("alias");
  clock.nowMs = 3_600_000;
  ran({ model: "a" });
  ran({ model: "b" });
  expect(all()).toEqual(["a default-flow", "other default-flow"]);
});

describe("whatever clients send", () => {
  const name = fc.constantFrom("llama", "alias", "other", "", "a", "b", "c", "d");
  const flow = fc.constantFrom("default-flow", "other", "t1", "t2", "t3", "t4");
  const step = fc.record({
    model: name,
    target: name,
    flow,
    isProof: fc.boolean(),
    /** Which of the requests in flight ends before this one begins. */
    ends: fc.option(fc.nat()),
    waitMs: fc.constantFrom(0, 1, 10_000, 3_600_000),
  });

  it("the sets stay few, nothing counted is lost, and gauges return to 0", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { sets, clock } = someSets({
          ...{ modelSetsMax: 3, flowSetsMax: 2, fairnessIdsMax: 2, unprovenSetsMax: 2 },
        });
        const inFlight: { hold: LabelHold; isProof: boolean }[] = [];
        const ended = ({ hold, isProof }: (typeof inFlight)[number]) => {
          expect(hold.set.isGone).toBe(false);
          hold.set.values[0] = (hold.set.values[0] ?? 0) - 1;
          sets.end(hold, isProof);
        };
        for (const { isProof, ends, waitMs, ...names } of steps) {
          clock.nowMs += waitMs;
          const [ending] = ends === null ? [] : inFlight.splice(ends % (inFlight.length || 1), 1);
          if (ending !== undefined) ended(ending);
          const hold = sets.begin(labels(names));
          hold.set.values[0] = (hold.set.values[0] ?? 0) + 1;
          inFlight.push({ hold, isProof });
          const running = sets.list().reduce((sum, set) => sum + (set.values[0] ?? 0), 0);
          expect(running).toBe(inFlight.length);
        }
        for (const each of inFlight) ended(each);
        expect(sets.list().filter((set) => set.values[0] !== 0 || !set.isProven)).toEqual([]);
        // Known pairs, each with two fairness ids of ours: of llama, alias, "" and other, 4 of a kind,
        // 6 with `other` on one side, and alias to llama; then the rooms.
        expect(sets.size).toBeLessThanOrEqual(2 * (4 + 6 + 1) + 3 + 2);
        const keys = sets.list().map((set) => set.key);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );
  });
});
