import { describe, expect, it } from "vitest";
import type { Queued } from "./band.ts";
import { PassedOver } from "./passed-over.ts";

/** A request of a band, as far as a look through the queue reads it. */
function inBand(priority: number): Queued {
  const band = { priority, passOver: () => undefined, putBack: () => undefined };
  return { band } as unknown as Queued;
}

const heldBack = { fullness: 2, suppose: () => () => undefined };

describe("the rest after a look through the queue that sent nothing", () => {
  it("is four times as long, for the bands that were looked at and those below", () => {
    const passedOver = new PassedOver();
    passedOver.add(inBand(-10), heldBack);
    passedOver.add(inBand(-20), heldBack);
    // From 100 to 102 ms: until 102 + 4 x 2.
    passedOver.end(false, 100, 102);
    expect(passedOver.restPriority(109)).toBe(-10);
    expect(passedOver.restPriority(110)).toBe(Number.NEGATIVE_INFINITY);
  });

  it("goes on while requests of higher bands are sent, and is over once one of the band is", () => {
    const passedOver = new PassedOver();
    passedOver.add(inBand(-10), heldBack);
    passedOver.end(false, 100, 102);
    passedOver.end(true, 105, 106);
    expect(passedOver.restPriority(107)).toBe(-10);
    passedOver.end(true, 110, 111);
    expect(passedOver.restPriority(111)).toBe(Number.NEGATIVE_INFINITY);
  });
});
