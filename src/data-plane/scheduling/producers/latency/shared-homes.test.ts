import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aLoad, aRequest, endpoints as someEndpoints } from "#test/support/builders.ts";
import type { InferenceRequest } from "../../../../core/request.ts";
import { SharedHomes } from "./shared-homes.ts";

const endpoints = someEndpoints(8);
const lookMs = 100;

/** Engines that run `told` requests each, of which `own` are ours. */
const loadOf = (told: number, own: number) => {
  const each = { runningRequests: told, waitingRequests: 0, inFlightRequests: own };
  return aLoad(endpoints.map(() => each));
};
const shared = loadOf(4, 1);
const alone = loadOf(4, 4);

const text = (content: string) => ({ kind: "text", text: content }) as const;
const opening = (name: string) => [text("user"), text(`Hello, I am ${name}.`)];

function first(name: string, other: Partial<InferenceRequest> = {}): InferenceRequest {
  return aRequest({ prompts: [opening(name)], openingParts: 2, ...other });
}

/** A second turn that adds an answer, and a question of 100 tokens. */
function later(name: string): InferenceRequest {
  const added = [text("assistant"), text("Hello."), text("user"), text("?".repeat(400))];
  return { ...first(name), prompts: [[...opening(name), ...added]] };
}

/** After this many looks at the engines. */
function homesAfter(looks: number, load: typeof shared): SharedHomes {
  const homes = new SharedHomes();
  for (let look = 0; look < looks; look += 1) {
    homes.homeOf(first("Noah"), endpoints, { load, promptTokens: 10, nowMs: look * lookMs });
  }
  return homes;
}

const askedAt = (nowMs: number, load = shared, promptTokens = 1_000) => ({
  load,
  promptTokens,
  nowMs,
});
const soon = askedAt(1_000_000);
/** Looks after that at engines without requests of others. */
const quiet = (look: number) => askedAt(1_000_000 + (look + 1) * lookMs, alone);

describe("the home of a conversation", () => {
  it("does not exist while engines have only requests that the picker has sent", () => {
    expect(homesAfter(1_000, alone).homeOf(first("a"), endpoints, askedAt(1e6, alone))).toBe(
      undefined,
    );
    expect(homesAfter(1_000, loadOf(Number.NaN, 1)).othersShare).toBe(0);
    // Requests that the engines do not report yet.
    expect(homesAfter(1_000, loadOf(1, 4)).othersShare).toBe(0);
  });

  it("is there from a share of 0.15 on, and until it is below 0.1", () => {
    // 0.75 x (1 - 0.95^n): 0.107 after 3 looks, 0.139 after 4, 0.17 after 5.
    expect(homesAfter(3, shared).homeOf(first("a"), endpoints, soon)).toBeUndefined();
    const homes = homesAfter(5, shared);
    expect(homes.othersShare).toBeCloseTo(0.75 * (1 - 0.95 ** 5), 9);
    expect(homes.homeOf(first("a"), endpoints, soon)).toBeDefined();
    // 0.199 x 0.95^13 = 0.102, and one look later 0.097.
    for (let look = 0; look < 12; look += 1) homes.homeOf(first("a"), endpoints, quiet(look));
    expect(homes.homeOf(first("a"), endpoints, quiet(12))).toBeDefined();
    expect(homes.homeOf(first("a"), endpoints, quiet(13))).toBeUndefined();
  });

  it("looks at the engines ten times a second at most", () => {
    const homes = new SharedHomes();
    for (let ms = 0; ms < 1_000; ms += 1) homes.homeOf(first("a"), endpoints, askedAt(ms));
    expect(homes.othersShare).toBeCloseTo(0.75 * (1 - 0.95 ** 10), 9);
  });

  it("is the same for all pickers and all turns, whatever the order and state of endpoints", () => {
    const one = homesAfter(9, shared);
    const other = homesAfter(70, loadOf(9, 2));
    for (const name of ["a", "b", "c", "d", "e"]) {
      const home = one.homeOf(first(name), endpoints, soon);
      const again = other.homeOf(later(name), endpoints.toReversed(), soon);
      expect(again?.slot).toBe(home?.slot);
      expect([home?.isFirst, again?.isFirst]).toEqual([true, false]);
    }
  });

  it("is spread evenly, and moves only with its endpoint", () => {
    const homes = homesAfter(9, shared);
    const fewer = endpoints.slice(1);
    const counts = endpoints.map(() => 0);
    let moved = 0;
    for (let number = 0; number < 4_000; number += 1) {
      const before = homes.homeOf(first(String(number)), endpoints, soon)?.slot ?? -1;
      const after = homes.homeOf(first(String(number)), fewer, soon)?.slot ?? -1;
      counts[before] = (counts[before] ?? 0) + 1;
      if (before !== endpoints[0]?.slot && after !== before) moved += 1;
    }
    expect(moved).toBe(0);
    // 500 each, with a deviation of 21.
    expect(Math.min(...counts)).toBeGreaterThan(400);
    expect(Math.max(...counts)).toBeLessThan(600);
  });

  it.each([
    ["of the model", { targetModel: "other" }],
    ["of the cache salt", { cacheSalt: "salt" }],
  ] as const)("depends on the name %s", (_, other) => {
    const homes = homesAfter(9, shared);
    const names = Array.from({ length: 40 }, (__, index) => String(index));
    const slots = (differing: object) =>
      names.map((name) => homes.homeOf(first(name, differing), endpoints, soon)?.slot);
    expect(slots(other)).not.toEqual(slots({}));
  });

  it.each([
    ["without messages of a user", { openingParts: 0 }],
    ["with several prompts", { prompts: [opening("a"), opening("b")] }],
    ["without a prompt", { prompts: [] }],
  ] as const)("does not exist for a request %s", (_, other) => {
    expect(homesAfter(9, shared).homeOf(first("a", other), endpoints, soon)).toBeUndefined();
  });

  it("does not exist without endpoints", () => {
    expect(homesAfter(9, shared).homeOf(first("a"), [], soon)).toBeUndefined();
  });
});

describe("what a home holds", () => {
  it("is all that came before the last message, until answers tell", () => {
    const homes = homesAfter(9, shared);
    const home = homes.homeOf(later("a"), endpoints, soon);
    if (home === undefined) throw new Error("it has a home");
    expect(home.earlierTokens).toBe(1_000 - 100);
    expect(homes.heldTokens(home)).toBe(900);
    homes.noteHeld(home, 2_000);
    expect(homes.heldTokens(home)).toBe(900);
    // 1 + 0.05 x (450 / 900 - 1)
    homes.noteHeld(home, 450);
    expect(homes.heldTokens(home)).toBeCloseTo(0.975 * 900, 9);
    for (let answer = 0; answer < 200; answer += 1) homes.noteHeld(home, 0);
    expect(homes.heldTokens(home)).toBeLessThan(1);
  });

  it("is nothing in a first request", () => {
    const homes = homesAfter(9, shared);
    const home = homes.homeOf(first("a"), endpoints, soon);
    expect(home).toMatchObject({ isFirst: true, earlierTokens: 0 });
  });
});

describe("the price of a request away from home", () => {
  it("is nothing if conversations have one turn", () => {
    expect(homesAfter(500, shared).awayTokens(1_000)).toBe(0);
  });

  it("is 0.8 x the chance that others get a later turn x what homes hold", () => {
    const homes = homesAfter(500, shared);
    // A share of later turns of 1 - 0.98^35 = 0.507, which is 1.028 for each first one.
    for (let turn = 0; turn < 35; turn += 1) homes.homeOf(later("a"), endpoints, soon);
    const later35 = (1 - 0.98 ** 35) / 0.98 ** 35;
    const chance = 1 - 0.25 ** later35;
    expect(homes.awayTokens(1_000)).toBeCloseTo(0.8 * chance * 1_000, 3);
    for (let turn = 0; turn < 2_000; turn += 1) homes.homeOf(later("a"), endpoints, soon);
    expect(homes.awayTokens(1_000)).toBeCloseTo(0.8 * 1_000, 3);
  });

  it("is never below 0 or above the tokens", () => {
    const step = fc.record({ isLater: fc.boolean(), cached: fc.nat(3_000), told: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(step), fc.nat(10_000), (steps, tokens) => {
        const homes = homesAfter(9, shared);
        for (const [index, { isLater, cached, told }] of steps.entries()) {
          const request = isLater ? later("a") : first("a");
          const inputs = askedAt(2e6 + index * lookMs, loadOf(told, 1));
          const home = homes.homeOf(request, endpoints, inputs);
          if (home !== undefined) homes.noteHeld(home, cached);
        }
        const away = homes.awayTokens(tokens);
        expect(away).toBeGreaterThanOrEqual(0);
        expect(away).toBeLessThanOrEqual(tokens);
      }),
    );
  });
});
