import { describe, expect, it } from "vitest";
import { WaitingLine } from "./waiting-line.ts";

function aLine() {
  const placedMs: Record<string, number> = {};
  const line = new WaitingLine<{ readonly name: string; placed(nowMs: number): void }>();
  return {
    line,
    placedMs,
    join: (name: string, endsNeeded: number) =>
      line.join({ name, placed: (nowMs) => (placedMs[name] = nowMs) }, endsNeeded),
    names: (nowMs: number) => line.placed(nowMs).map(({ name }) => name),
  };
}

describe("requests that wait for a first token", () => {
  it("have a place at once, or when enough of those ahead have ended", () => {
    const { line, placedMs, join, names } = aLine();
    const unfollowed = line.pass();
    const first = join("first", 0);
    join("second", 2);
    const third = join("third", 3);
    expect(names(0)).toEqual(["first"]);
    line.ended(unfollowed, 10);
    line.ended(first, 20);
    expect(placedMs).toEqual({ second: 20 });
    expect(names(20)).toEqual(["second"]);
    expect(line.hasPlace(third, 20)).toBe(false);
  });

  it("get no place from the end of a request behind them", () => {
    const { line, placedMs, join } = aLine();
    join("first", 1);
    const behind = join("behind", 2);
    line.ended(behind, 10);
    expect(placedMs).toEqual({});
  });

  it("prove nothing once a later one has begun, unless both began in one step", () => {
    const { line, join } = aLine();
    const ahead = line.pass();
    const queued = join("queued", 1);
    const atOnce = join("at once", 0);
    const later = join("later", 0);
    line.ended(ahead, 5);
    line.began(later, 100);
    expect([queued, atOnce].map((order) => line.hasPlace(order, 150))).toEqual([true, true]);
    // It had to queue, and its engine does not keep the order. The other needed no place.
    expect([queued, atOnce].map((order) => line.hasPlace(order, 151))).toEqual([false, true]);
  });

  it("are followed up to a bound", () => {
    const { names, join, line } = aLine();
    const orders = Array.from({ length: 100 }, (_, index) => join(`${index}`, 0));
    expect(names(0)).toHaveLength(64);
    expect(line.hasPlace(orders[64] ?? 0, 0)).toBe(false);
    line.leave(orders[0] ?? 0);
    expect(names(0)).toHaveLength(63);
  });
});
