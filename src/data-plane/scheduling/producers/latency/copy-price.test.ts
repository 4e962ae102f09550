import { describe, expect, it } from "vitest";
import { CopyPrice } from "./copy-price.ts";

/** Four blocks that one endpoint holds. */
function heldBy(holders: number, usesPerSecond: number) {
  return {
    count: 4,
    positions: Uint32Array.from([0, 1, 2, 3]),
    holders: new Uint32Array(4).fill(holders),
    usesPerSecond: new Float64Array(4).fill(usesPerSecond),
    blocksEach: 1,
  };
}

function priceAt(busy: number): CopyPrice {
  const price = new CopyPrice();
  for (let count = 0; count < 1_000; count += 1) price.noteBusy(busy);
  return price;
}

describe("the price of a copy", () => {
  it.each([
    [0, 1],
    [0.5, 2],
    [0.75, 4],
    [1, 4],
  ])("has a scarcity for a busy share of %d of %d", (busy, scarcity) => {
    expect(priceAt(busy).scarcity).toBeCloseTo(scarcity, 6);
  });

  it("is nothing for a private prefix in an idle pool, and three times the work in a full one", () => {
    expect(priceAt(0).extraBlocks(heldBy(1, 0), 0, undefined)).toBe(0);
    expect(priceAt(1).extraBlocks(heldBy(1, 0), 0, undefined)).toBeCloseTo(4 * 3, 6);
  });

  it("pays back for a popular one: z = 0.3 x 1/s x 300 s / 2 = 45", () => {
    expect(priceAt(0).extraBlocks(heldBy(1, 1), 0, undefined)).toBeCloseTo((-4 * 0.8 * 45) / 46, 6);
    // z = 0.3 x 1/s x 10 s / 2 = 1.5 where copies live for 10 s
    expect(priceAt(0).extraBlocks(heldBy(1, 1), 0, 10_000)).toBeCloseTo((-4 * 0.8 * 1.5) / 2.5, 6);
  });

  it("pays back less under load: (s - 1 - 0.8 x 0.75) / 1.75 in the example of docs/how-it-decides.md", () => {
    // z = 0.3 x 1/60 x 300 / 2 = 0.75
    const usedOnce = heldBy(1, 1 / 60);
    expect(priceAt(0).extraBlocks(usedOnce, 0, undefined)).toBeCloseTo((4 * -0.6) / 1.75, 6);
    expect(priceAt(0.5).extraBlocks(usedOnce, 0, undefined)).toBeCloseTo((4 * 0.4) / 1.75, 6);
  });

  it("pays back less where little time is idle: 0.8 x 3.5 x (1 - 0.9) = 0.28", () => {
    // s = 4, z = 45
    expect(priceAt(0.9).extraBlocks(heldBy(1, 1), 0, undefined)).toBeCloseTo(
      (4 * (3 - 0.28 * 45)) / 46,
      6,
    );
    // Without idle time, a copy pays nothing back: s - 1 = 3, shared by its uses.
    expect(priceAt(1).extraBlocks(heldBy(1, 1), 0, undefined)).toBeCloseTo((4 * 3) / 46, 6);
  });

  it("pays back less the more endpoints hold it: z = 0.3 x 300 / 10 = 9", () => {
    expect(priceAt(0).extraBlocks(heldBy(9, 1), 0, undefined)).toBeCloseTo((-4 * 0.8 * 9) / 10, 6);
  });

  it("counts only blocks that the endpoint lacks, each for those that it stands for", () => {
    const held = { ...heldBy(1, 0), positions: Uint32Array.from([5, 15, 25, 35]), blocksEach: 10 };
    const full = priceAt(1);
    expect(full.extraBlocks(held, 20, undefined)).toBeCloseTo(2 * 10 * 3, 6);
    expect(full.extraBlocks(held, 40, undefined)).toBe(0);
  });
});
