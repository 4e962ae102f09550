import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EndpointPace, timedWorkOf } from "./endpoint-pace.ts";

const known = (tokens: number) => ({ tokensMin: tokens, tokensMax: tokens });

describe("an endpoint's pace", () => {
  it("counts the prompts before a request that have no first token, and those sent with it", () => {
    const pace = new EndpointPace();
    const first = pace.sent(known(7_000), 0);
    const begun = pace.sent(known(1_000), 0);
    begun.began(5);
    const own = pace.sent(known(100), 10);
    pace.sent({ tokensMin: 50, tokensMax: 300 }, 20);
    expect(own.began(900)).toEqual({
      ttftMs: 890,
      others: { tokensMin: 7_050, tokensMax: 7_300 },
      requests: 3,
    });
    expect(pace.backlog).toEqual({ tokens: 7_300, requests: 4 });
    for (const request of [first, begun, own]) request.ended();
    expect(pace.backlog).toEqual({ tokens: 300, requests: 1 });
  });

  it("counts no request that was sent when the first token was due already", () => {
    const pace = new EndpointPace();
    for (let count = 0; count < 20; count += 1) pace.curve.note({ tokens: 100, requests: 1 }, 40);
    const own = pace.sent(known(100), 0);
    pace.sent(known(500), 59);
    // Due after 40 ms, and 60 are allowed.
    pace.sent(known(4_000), 61);
    expect(own.began(300).others.tokensMax).toBe(500);
  });

  it("counts a request that had to queue from its place, with the work of those that have one", () => {
    const pace = new EndpointPace();
    const running = pace.sent(known(500), 0);
    const queued = pace.sent(known(100), 10, true);
    pace.sent(known(7_000), 20, true);
    running.began(30);
    running.ended();
    queued.placed(1_000);
    const beside = pace.sent(known(40), 1_005);
    // Not the 500, which are computed, nor the 7,000, which have no place.
    expect(queued.soFar(1_200)).toEqual({
      ttftMs: 200,
      others: { tokensMin: 40, tokensMax: 40 },
      requests: 1,
    });
    // But those count for a request that needs no place, in case the engine has more places than
    // assumed.
    expect(beside.soFar(1_200).others.tokensMax).toBe(7_100);
    expect(pace.backlog).toEqual({ tokens: 7_140, requests: 3 });
  });

  it("learns a bound from uncertain work", () => {
    const pace = new EndpointPace();
    const prompt = { tokensMin: 100, tokensMax: 500 };
    for (let count = 0; count < 20; count += 1) {
      const first = pace.sent(prompt, count * 100);
      pace.note(timedWorkOf(first.began(count * 100 + 60), prompt));
      first.ended();
    }
    expect(pace.curve.usualMs({ tokens: 100, requests: 1 })).toBeCloseTo(60, 6);
    // (256 + 500) / (256 + 100) = 2.12
    expect(pace.curve.usualMs({ tokens: 500, requests: 1 })).toBeCloseTo(127.4, 1);
  });

  it.each([
    // [prompt, others, known, sure]
    [known(100), known(0), true, true],
    [known(100), known(7_000), true, true],
    // 100 + 256 are 1.39 x 256.
    [{ tokensMin: 0, tokensMax: 100 }, known(0), true, true],
    [{ tokensMin: 0, tokensMax: 200 }, known(0), false, false],
    [{ tokensMin: 600, tokensMax: 7_000 }, known(0), false, false],
    [known(100), { tokensMin: 600, tokensMax: 7_000 }, true, false],
  ])("knows the work of %o with %o: own %s, all %s", (...[prompt, others, isKnown, isSure]) => {
    const timed = timedWorkOf({ ttftMs: 1, others, requests: 1 }, prompt);
    expect(timed).toMatchObject({ isKnown, isSure });
  });

  it("has nothing left when all have ended, in any order", () => {
    const step = fc.record({
      kind: fc.constantFrom("sent" as const, "began" as const, "ended" as const),
      nth: fc.nat(),
      tokens: fc.integer({ min: 0, max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const pace = new EndpointPace();
        const open: ReturnType<EndpointPace["sent"]>[] = [];
        for (const [atMs, { kind, nth, tokens }] of steps.entries()) {
          if (kind === "sent") open.push(pace.sent({ tokensMin: 0, tokensMax: tokens }, atMs));
          else open[nth % Math.max(1, open.length)]?.[kind](atMs);
          expect(pace.backlog.tokens).toBeGreaterThanOrEqual(0);
        }
        for (const request of open) request.ended();
        expect(pace.backlog).toEqual({ tokens: 0, requests: 0 });
      }),
    );
  });
});
