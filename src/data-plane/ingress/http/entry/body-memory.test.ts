import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyMemory } from "./body-memory.ts";

function holding(bytesMax: number) {
  const memory = new BodyMemory(bytesMax);
  const refused: string[] = [];
  const claim = (name: string) => memory.claim(() => refused.push(name));
  return { memory, refused, claim };
}

describe("the memory of bodies", () => {
  it("gives up the largest body that is still arriving", () => {
    const { memory, refused, claim } = holding(100);
    const [large, small] = [claim("large"), claim("small")];
    large.grow(90);
    small.grow(10);
    expect(refused).toEqual([]);
    small.grow(1); // 101 of 100 bytes.
    expect(refused).toEqual(["large"]);
    expect(memory.heldBytes).toBe(11);
    expect(memory.refusedTotal).toBe(1);
  });

  it("does not give up bodies that have arrived", () => {
    const { memory, refused, claim } = holding(100);
    const whole = claim("whole");
    whole.grow(90);
    whole.settle();
    claim("late").grow(20);
    expect(refused).toEqual(["late"]);
    expect(memory.heldBytes).toBe(90);
    whole.free();
    expect(memory.heldBytes).toBe(0);
  });

  it("counts nothing of a body that was given up or freed", () => {
    const { memory, refused, claim } = holding(10);
    const body = claim("body");
    body.grow(11);
    body.grow(11);
    body.free();
    expect(refused).toEqual(["body"]);
    expect(memory.heldBytes).toBe(0);
  });

  it("has no limit of 0 bytes", () => {
    const { memory, refused, claim } = holding(0);
    claim("any").grow(1e12);
    expect(refused).toEqual([]);
    expect(memory.heldBytes).toBe(1e12);
  });

  it("never holds more than it may, and is empty in the end", () => {
    const step = fc.record({
      body: fc.nat({ max: 5 }),
      act: fc.constantFrom("grow", "settle", "free"),
      bytes: fc.nat({ max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { memory, claim } = holding(100);
        const claims = Array.from({ length: 6 }, (_, index) => claim(String(index)));
        for (const { body, act, bytes } of steps) {
          const each = claims[body];
          if (act === "grow") each?.grow(bytes);
          else if (act === "settle") each?.settle();
          else each?.free();
          expect(memory.heldBytes).toBeLessThanOrEqual(100);
        }
        for (const each of claims) each.free();
        expect(memory.heldBytes).toBe(0);
      }),
    );
  });
});
