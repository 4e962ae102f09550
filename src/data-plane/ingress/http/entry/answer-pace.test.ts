import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { AnswerPace } from "./answer-pace.ts";

function aPace(patienceMs: number) {
  const clock = new FakeClock();
  const reader = { waitsForTurn: false, drops: 0, drop: () => void (reader.drops += 1) };
  let gaveUp = 0;
  const pace = new AnswerPace(reader, { clock, patienceMs }, () => void (gaveUp += 1));
  return { clock, reader, pace, gaveUp: () => gaveUp };
}

describe("the patience with a client that reads", () => {
  it("ends after a pause of its length", async () => {
    const { clock, reader, pace, gaveUp } = aPace(1_000);
    pace.stalls();
    await clock.advance(999);
    expect(reader.drops).toBe(0);
    await clock.advance(1);
    expect([reader.drops, gaveUp()]).toEqual([1, 1]);
  });

  it("begins again with each part that was read", async () => {
    const { clock, reader, pace } = aPace(1_000);
    pace.stalls();
    await clock.advance(900);
    pace.flows();
    pace.stalls();
    await clock.advance(900);
    pace.flows();
    await clock.advance(10_000);
    expect(reader.drops).toBe(0);
  });

  it("does not count the time of an earlier answer", async () => {
    const { clock, reader, pace } = aPace(1_000);
    reader.waitsForTurn = true;
    pace.stalls();
    await clock.advance(5_000);
    expect(reader.drops).toBe(0);
    reader.waitsForTurn = false;
    await clock.advance(1_000);
    expect(reader.drops).toBe(1);
  });

  it("has no end of 0 ms", async () => {
    const { clock, reader, pace } = aPace(0);
    pace.stalls();
    await clock.advance(1e9);
    expect(reader.drops).toBe(0);
  });
});
