import { describe, expect, it } from "vitest";
import { anEndpoint, endpoints } from "#test/support/builders.ts";
import { Reserve } from "./reserve.ts";

const pool = endpoints(8);
const streams = { doneMs: Number.POSITIVE_INFINITY };
/** The end of `busyReserve`. */
const endMs = 300_000;

/** A reserve that has seen requests of priority 0, `perS` a second for five minutes, of `ms` each. */
function busyReserve(perS: number, ms: number): Reserve {
  const reserve = new Reserve();
  for (let count = 1; count <= (endMs / 1_000) * perS; count += 1) {
    const atMs = (count * 1_000) / perS;
    const computing = [anEndpoint({ slot: 0 })];
    reserve.sent({ priority: 0, computing, sentMs: atMs - ms, ...streams }).firstToken(atMs);
  }
  return reserve;
}

/** A prompt of a lower priority that the engine in this slot computes. */
const low = (slot: number, parts: { doneMs: number } = streams) => ({
  priority: -10,
  computing: [anEndpoint({ slot })],
  sentMs: endMs,
  ...parts,
});

const slotsOf = (open: readonly { slot: number }[]) => open.map(({ slot }) => slot);

describe("engines that are kept for higher priorities", () => {
  it("are none while no request of a higher priority comes", () => {
    expect(busyReserve(10, 400).kept(0, endMs)).toBe(0);
    expect(new Reserve().open(pool, -10, 0)).toBe(pool);
  });

  it.each([
    { perS: 1, ms: 10, kept: [1, 2], sum: "0.01 + 0.05 + 1 = 1.06" },
    { perS: 10, ms: 100, kept: [2, 3], sum: "1 + 0.5 + 1 = 2.5" },
    { perS: 10, ms: 400, kept: [6, 7], sum: "4 + 1 + 1 = 6" },
    { perS: 10, ms: 900, kept: [11, 12], sum: "9 + 1.5 + 1 = 11.5" },
  ])("are $sum with $perS prompts a second of $ms ms", ({ perS, ms, kept }) => {
    expect(kept).toContain(busyReserve(perS, ms).kept(-10, endMs));
  });

  it("are a whole engine for a part of the time: 2.5 is three in half of it", () => {
    const reserve = busyReserve(10, 100);
    // Within 10 s the rest of the prompts counts 0.72 of itself, so that 2.5 falls to 2.1.
    const counts = Array.from({ length: 20 }, (_, index) => reserve.kept(-10, endMs + index * 500));
    expect(new Set(counts)).toEqual(new Set([2, 3]));
  });

  it("are none a few minutes after the last request of a higher priority", () => {
    // 1e-2 x e^(-300/30) is below 1e-6.
    expect(busyReserve(1, 10).kept(-10, endMs + 300_000)).toBe(0);
  });

  it("get no prompt of a lower priority: these go to engines that have some already", () => {
    const reserve = busyReserve(10, 400);
    expect(reserve.open(pool, -10, endMs)).toBe(pool);
    reserve.sent(low(5));
    const third = reserve.sent(low(3));
    // Six or seven of eight are kept.
    expect([[3], [3, 5]]).toContainEqual(slotsOf(reserve.open(pool, -10, endMs)));
    third.firstToken(endMs + 1);
    expect(slotsOf(reserve.open([...pool].slice(5, 6), -10, endMs))).toEqual([5]);
  });

  it("leave one engine to lower priorities, however many prompts come", () => {
    const reserve = busyReserve(10, 4_000);
    for (let slot = 0; slot < 8; slot += 1) reserve.sent(low(slot));
    expect(slotsOf(reserve.open(pool, -10, endMs))).toEqual([0]);
  });

  it("count prompts without a visible first token until the engine has had the time for them", () => {
    const reserve = busyReserve(10, 4_000);
    reserve.sent(low(4, { doneMs: endMs + 250 }));
    expect(slotsOf(reserve.open(pool, -10, endMs + 249))).toEqual([4]);
    expect(reserve.open(pool, -10, endMs + 250)).toBe(pool);
  });

  it("forget the prompts of an endpoint that has left", () => {
    const reserve = busyReserve(10, 4_000);
    const counted = reserve.sent(low(4));
    reserve.forget(4);
    expect(reserve.open(pool, -10, endMs)).toBe(pool);
    counted.firstToken(endMs);
  });
});
