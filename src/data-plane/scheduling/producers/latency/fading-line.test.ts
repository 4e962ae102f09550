import { describe, expect, it } from "vitest";
import { FadingLine } from "./fading-line.ts";

const prior = [
  { x: 0, y: 10, weight: 1 },
  { x: 100, y: 20, weight: 1 },
];

describe("a fading line", () => {
  it("goes through its prior until points say otherwise", () => {
    const line = new FadingLine(0.9, prior);
    expect(line.at(50)).toBeCloseTo(15, 9);
    for (let count = 0; count < 200; count += 1) {
      const x = (count % 10) * 10;
      line.note({ x, y: 5 + 2 * x, weight: 1 });
    }
    expect(line.at(50)).toBeCloseTo(105, 3);
  });

  it("is flat through points at one place, and where more of x goes with less of y", () => {
    const line = new FadingLine(0, prior);
    line.note({ x: 50, y: 7, weight: 1 });
    expect([line.at(0), line.at(1_000)]).toEqual([7, 7]);
    const falling = new FadingLine(0.999, []);
    falling.note({ x: 0, y: 10, weight: 1 });
    falling.note({ x: 10, y: 0, weight: 1 });
    expect(falling.at(0)).toBeCloseTo(falling.at(100), 9);
  });

  it("goes through the origin rather than below it", () => {
    const line = new FadingLine(1, [
      { x: 10, y: 0, weight: 1 },
      { x: 20, y: 20, weight: 1 },
    ]);
    // sum xy / sum xx = 400 / 500
    expect(line.at(0)).toBe(0);
    expect(line.at(10)).toBeCloseTo(8, 9);
  });

  it("follows points by their weight", () => {
    const line = new FadingLine(1, [{ x: 0, y: 0, weight: 1 }]);
    line.note({ x: 0, y: 10, weight: 3 });
    expect(line.at(0)).toBe(7.5);
  });
});
