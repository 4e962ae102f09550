import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { closestTo } from "./spelling.ts";

const names = ["queue-scorer", "kv-cache-utilization-scorer", "random-picker", "pool-name", "v"];

describe("closestTo", () => {
  it.each([
    { word: "queue-scorrer", closest: "queue-scorer", what: "a letter too many" },
    { word: "queue-screr", closest: "queue-scorer", what: "a letter too few" },
    { word: "queue_scorer", closest: "queue-scorer", what: "another letter" },
    { word: "qeuue-scorer", closest: "queue-scorer", what: "two letters the other way round" },
    { word: "poolname", closest: "pool-name", what: "a lost dash" },
    { word: "random-picker", closest: "random-picker", what: "nothing wrong" },
    { word: "kv-cache-utilisation-scorer", closest: "kv-cache-utilization-scorer", what: "an s" },
  ])("finds $closest for $word: $what", ({ word, closest }) => {
    expect(closestTo(word, names)).toBe(closest);
  });

  it.each(["teapot", "", "x", "queue", "scorer-of-something-else"])(
    "finds nothing for %j, which is another word",
    (word) => {
      expect(closestTo(word, names)).toBeUndefined();
    },
  );

  it("takes up to a third of the letters for a slip", () => {
    // Six letters, two of them wrong, then three.
    expect(closestTo("abcdxx", ["abcdef"])).toBe("abcdef");
    expect(closestTo("abcxxx", ["abcdef"])).toBeUndefined();
  });

  it("takes the closest of several, and the first of those as close", () => {
    expect(closestTo("scorer-b1", ["scorer-a2", "scorer-b2", "scorer-b3"])).toBe("scorer-b2");
  });

  it("finds nothing among nothing", () => {
    expect(closestTo("queue-scorer", [])).toBeUndefined();
  });

  it("finds any of the candidates by itself", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }), (candidates) => {
        for (const candidate of candidates) {
          expect(closestTo(candidate, candidates)).toBe(candidate);
        }
      }),
    );
  });

  it("gives up on a word of a million letters without comparing them", () => {
    // 200 names of 12 letters or more: the table would have 2,400 million cells.
    const many = Array.from({ length: 200 }, (_, index) => `some-name-${index + 100}`);
    expect(closestTo("x".repeat(1_000_000), many)).toBeUndefined();
  });
});
