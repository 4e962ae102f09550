import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../std/random.ts";
import type { RequestLine } from "../telemetry/recording/lines.ts";
import { previousTurnsOf } from "./previous-turns.ts";

const blockTokens = 64;

/** A request from one moment to another. `path`: blocks, `+` for a last one that is not full. */
function line(
  [atMs, untilMs]: readonly [number, number],
  path: string,
  rest: Partial<RequestLine> = {},
): RequestLine {
  const names = path.split("");
  const isShort = path.endsWith("+");
  const blocks = names.map((_, index) => path.slice(0, index + 1).padStart(8, "."));
  return {
    atMs,
    endedMs: untilMs - atMs,
    end: "complete",
    status: 200,
    promptTokens: names.length * blockTokens - (isShort ? 10 : 0),
    blockTokens,
    blocks: [blocks.join("")],
    ...rest,
  };
}

const of = (...requests: readonly RequestLine[]) => previousTurnsOf(requests);

describe("the previous turn of a request", () => {
  it("is the one whose whole prompt it begins with, and that was answered", () => {
    const turns = of(
      line([0, 100], "sa+"),
      line([10, 90], "sb+"),
      line([130, 200], "sacd+"),
      line([190, 260], "sbx"),
      line([500, 600], "sacdef"),
    );
    expect(turns).toEqual([
      undefined,
      undefined,
      { request: 0, thinkMs: 30 },
      { request: 1, thinkMs: 100 },
      { request: 2, thinkMs: 300 },
    ]);
  });

  it("is an earlier turn if the last one was under way, was given up or failed", () => {
    const next = line([500, 600], "abcdefg");
    for (const second of [
      line([120, 501], "abcd"),
      line([120, 150], "abcd", { end: "aborted" }),
      line([120, 150], "abcd", { status: 503 }),
      line([120, 150], "abcd", { refusal: "queue_full", end: "refused" }),
    ]) {
      expect(of(line([0, 100], "ab"), second, next)[2]).toEqual({ request: 0, thinkMs: 400 });
    }
    expect(of(line([0, 501], "ab"), next)[1]).toBeUndefined();
  });

  it("is shared by requests that a client sends at a time", () => {
    const turns = of(line([0, 10], "ab"), line([20, 50], "abc"), line([20, 60], "abd"));
    expect(turns[1]).toEqual({ request: 0, thinkMs: 10 });
    expect(turns[2]).toEqual({ request: 0, thinkMs: 10 });
  });

  it("is not one whose prompt is only a common beginning", () => {
    // The first block is that of a system prompt, and the second request has nothing besides it.
    const [, , third] = of(line([0, 10], "sa"), line([20, 30], "s+"), line([40, 50], "sb"));
    expect(third).toBeUndefined();
    const many = Array.from({ length: 9 }, (_, index) => line([20, 30], `s${index}`));
    expect(of(line([0, 10], "s"), ...many).every((turn) => turn === undefined)).toBe(true);
    // The same prompt again is no further turn.
    expect(of(line([0, 10], "sa"), line([20, 30], "sa"))[1]).toBeUndefined();
  });

  it("is never that of another client", () => {
    const first = line([0, 10], "ab", { tenant: "x", session: "1" });
    const of2 = (rest: Partial<RequestLine>) => of(first, line([20, 30], "abc", rest))[1];
    expect(of2({ tenant: "y", session: "1" })).toBeUndefined();
    expect(of2({ tenant: "x", session: "2" })).toBeUndefined();
    expect(of2({ tenant: "x", session: "1" })).toEqual({ request: 0, thinkMs: 10 });
  });

  it("is the last answer of the same session, if the prompt does not tell", () => {
    const session = "1";
    const turns = of(
      line([0, 100], "a", { session }),
      line([10, 50], "b", { session }),
      line([60, 80], "c", { session }),
      line([90, 95], "d", { session }),
      line([110, 120], "e", { session }),
      line([115, 120], "f", { session: "2" }),
    );
    expect(turns.map((turn) => turn?.request)).toEqual([
      ...[undefined, undefined],
      // One of its two requests after another.
      ...[1, 2, 0, undefined],
    ]);
  });

  it("follows a client that keeps a number of requests under way", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(), (inFlight, seed) => {
        const random = seededRandom(seed);
        // When each of its places is free again.
        const freeMs = Array.from({ length: inFlight }, () => 0);
        const requests = Array.from({ length: 100 }, (_, index) => {
          const atMs = Math.min(...freeMs);
          const untilMs = atMs + 50 + Math.floor(random() * 100);
          freeMs[freeMs.indexOf(atMs)] = untilMs;
          return line([atMs, untilMs], `${index % 10}`, { promptTokens: 30 });
        });
        const turns = previousTurnsOf(requests);
        const thinks = turns.map((turn) => turn?.thinkMs);
        expect(thinks).toEqual(requests.map((_, index) => (index < inFlight ? undefined : 0)));
        const awaited = turns.flatMap((turn) => turn?.request ?? []);
        expect(new Set(awaited).size).toBe(awaited.length);
      }),
      { numRuns: 20 },
    );
  });

  it("takes independent arrivals as they are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(), (load, seed) => {
        const random = seededRandom(seed);
        let atMs = 0;
        const requests = Array.from({ length: 300 }, (_, index) => {
          atMs -= Math.log(1 - random()) * 100;
          const untilMs = atMs + load * 200 * random();
          return line([atMs, untilMs], `${index % 10}`, { promptTokens: 30 });
        });
        expect(previousTurnsOf(requests).every((turn) => turn === undefined)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });
});
