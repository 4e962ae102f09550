import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RetryBudget } from "./retry-budget.ts";
import { RetryPolicy } from "./retry-policy.ts";

function aBudget(options = { ratio: 0.2, floor: 2 }) {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs };
  return { budget: new RetryBudget(options, clock), clock, pass: (ms: number) => (nowMs += ms) };
}

/** Retries that are allowed in a row. */
function drawn(budget: RetryBudget): number {
  let count = 0;
  while (budget.allows) {
    budget.noteRetry();
    count += 1;
  }
  return count;
}

describe("the retry budget", () => {
  it("is its floor without requests, and a share of many requests", () => {
    const { budget } = aBudget();
    expect(drawn(budget)).toBe(2);
    for (let sent = 0; sent < 50; sent += 1) budget.noteRequest();
    // A fifth of 50 is 10, of which 2 are used.
    expect(drawn(budget)).toBe(8);
  });

  it("leaves half of it to retries", () => {
    const { budget } = aBudget({ ratio: 0.2, floor: 10 });
    let hedges = 0;
    for (; budget.allowsHedge; hedges += 1) budget.noteRetry();
    expect([hedges, drawn(budget), budget.allowsHedge]).toEqual([5, 5, false]);
  });

  it("forgets requests and retries after ten seconds", () => {
    const { budget, pass } = aBudget();
    for (let sent = 0; sent < 50; sent += 1) budget.noteRequest();
    expect(drawn(budget)).toBe(10);
    pass(9_000);
    expect(drawn(budget)).toBe(0);
    pass(1_000);
    expect(drawn(budget)).toBe(2);
  });

  it("starts again after any pause", () => {
    const { budget, pass } = aBudget();
    drawn(budget);
    pass(3_600_000);
    expect(drawn(budget)).toBe(2);
  });

  it("never allows more retries in ten seconds than its share and its floor together", () => {
    const step = fc.record({ ms: fc.nat({ max: 4_000 }), requests: fc.nat({ max: 30 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { budget, pass, clock } = aBudget();
        const requests: number[] = [];
        const retries: number[] = [];
        for (const { ms, requests: count } of steps) {
          pass(ms);
          const nowMs = clock.nowMs();
          for (let sent = 0; sent < count; sent += 1) {
            budget.noteRequest();
            requests.push(nowMs);
          }
          const taken = drawn(budget);
          for (let retry = 0; retry < taken; retry += 1) retries.push(nowMs);
          // Requests are forgotten before the retries that they paid for.
          if (taken === 0) continue;
          const lately = (times: readonly number[], windowMs: number) =>
            times.filter((atMs) => nowMs - atMs < windowMs).length;
          // The ring has whole seconds: it may know requests of up to ten seconds, and forgets after nine.
          expect(lately(retries, 9_000)).toBeLessThanOrEqual(
            Math.max(2, Math.ceil(0.2 * lately(requests, 10_000))),
          );
        }
      }),
    );
  });
});

const policy = () => {
  const budget = { ratio: 0, floor: 100 };
  return new RetryPolicy({ retriesMax: 2, budget }, { nowMs: () => 0 });
};

describe("the retry policy", () => {
  const isInference = true;

  it.each([
    ["inference that broke", "broken", { method: "POST", isInference }, true],
    ["inference that took too long", "timeout", { method: "POST", isInference }, true],
    ["a safe request that broke", "broken", { method: "GET", isInference: false }, true],
    ["another request that broke", "broken", { method: "POST", isInference: false }, false],
    ["another request with 502", 502, { method: "DELETE", isInference: false }, false],
    ["another request with 503", 503, { method: "POST", isInference: false }, true],
    [
      "another request without a connection",
      "unreachable",
      { method: "PUT", isInference: false },
      true,
    ],
  ] as const)("for %s", (...[, failure, request, isAllowed]) => {
    expect(policy().allows(failure, { triesFailed: 0, ...request })).toBe(isAllowed);
    expect(policy().allows(failure, { triesFailed: 2, ...request })).toBe(false);
  });

  it("counts the retries that only the budget forbids", () => {
    const none = { retriesMax: 2, budget: { ratio: 0, floor: 0 } };
    const denying = new RetryPolicy(none, { nowMs: () => 0 });
    const request = { triesFailed: 0, method: "POST", isInference };
    expect([denying.allows("broken", request), denying.deniedTotal]).toEqual([false, 1]);
  });
});
