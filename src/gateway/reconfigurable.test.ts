import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { commitAll, prepareAll, type Reconfigurable, unchanged } from "./reconfigurable.ts";

/** A part that has a version, and notes the calls it gets. */
function aPart(name: string, notes: string[], mistakes: readonly string[] = []) {
  let version = 1;
  const part: Reconfigurable<number> = {
    name,
    prepare: (next, previous) => {
      notes.push(`${name} prepares ${previous} -> ${next}`);
      if (mistakes.length > 0) return { kind: "invalid", mistakes };
      return {
        kind: "ready",
        commit: () => {
          notes.push(`${name} commits ${next}`);
          version = next;
        },
      };
    },
  };
  return { part, version: () => version };
}

async function change(parts: readonly Reconfigurable<number>[]) {
  const prepared = await prepareAll(parts, 2, 1);
  if (prepared.kind === "ready") commitAll(prepared.parts);
  return prepared;
}

describe("the parts of a gateway", () => {
  it("all prepare before the first one commits, each in the order of the list", async () => {
    const notes: string[] = [];
    await change(["a", "b", "c"].map((name) => aPart(name, notes).part));
    expect(notes).toEqual([
      ...["a prepares 1 -> 2", "b prepares 1 -> 2", "c prepares 1 -> 2"],
      ...["a commits 2", "b commits 2", "c commits 2"],
    ]);
  });

  it("are unchanged if the third of three refuses", async () => {
    const notes: string[] = [];
    const parts = [aPart("a", notes), aPart("b", notes), aPart("c", notes, ["c: not now"])];
    expect(await change(parts.map(({ part }) => part))).toEqual({
      kind: "invalid",
      mistakes: ["c: not now"],
    });
    expect(parts.map(({ version }) => version())).toEqual([1, 1, 1]);
    expect(notes.filter((note) => note.includes("commits"))).toEqual([]);
  });

  it("are unchanged whichever of them refuse, and all that refuse give a reason", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 8 }), async (refusals) => {
        const parts = refusals.map((refuses, index) =>
          aPart(`p${index}`, [], refuses ? [`mistake of p${index}`] : []),
        );
        const prepared = await change(parts.map(({ part }) => part));
        const mistakes = refusals.flatMap((refuses, index) =>
          refuses ? [`mistake of p${index}`] : [],
        );
        expect(prepared.kind === "invalid" ? prepared.mistakes : []).toEqual(mistakes);
        const version = mistakes.length === 0 ? 2 : 1;
        expect(parts.map((part) => part.version())).toEqual(refusals.map(() => version));
      }),
    );
  });

  it("commit in one step: nothing else runs between the first commit and the last", async () => {
    const notes: string[] = [];
    const slow: Reconfigurable<number> = {
      name: "slow",
      prepare: async () => {
        await Promise.resolve();
        return { kind: "ready", commit: () => void notes.push("slow commits") };
      },
    };
    const eager: Reconfigurable<number> = {
      name: "eager",
      prepare: () => ({
        kind: "ready",
        commit: () => {
          queueMicrotask(() => notes.push("something else"));
          notes.push("eager commits");
        },
      }),
    };
    await change([eager, slow]);
    await Promise.resolve();
    expect(notes).toEqual(["eager commits", "slow commits", "something else"]);
  });

  it("take effect after a commit that throws, and the failure is reported with the name of its part", async () => {
    const cause = new Error("a bug");
    const broken: Reconfigurable<number> = {
      name: "broken",
      prepare: () => ({
        kind: "ready",
        commit: () => {
          throw cause;
        },
      }),
    };
    const [before, after] = [aPart("before", []), aPart("after", [])];
    const prepared = await prepareAll([before.part, broken, after.part], 2, 1);
    if (prepared.kind === "invalid") throw new Error("refused");
    expect(commitAll(prepared.parts)).toEqual([{ part: "broken", cause }]);
    expect([before.version(), after.version()]).toEqual([2, 2]);
  });

  it("may have nothing to change", async () => {
    const same: Reconfigurable<number> = { name: "same", prepare: () => unchanged };
    expect((await change([same])).kind).toBe("ready");
  });
});
