import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteStore } from "./byte-store.ts";

describe("ByteStore", () => {
  it("gives back what was added, and starts over", () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 9_000 }), { maxLength: 12 });
    fc.assert(
      fc.property(pieces, fc.nat(20_000), (added, expected) => {
        const store = new ByteStore();
        for (let round = 0; round < 2; round += 1) {
          store.expect(expected);
          for (const piece of added) store.add(piece, 0, piece.length);
          const all = Buffer.concat(added);
          expect(store.length).toBe(all.length);
          expect(store.take().equals(all)).toBe(true);
        }
      }),
    );
  });

  it("adds parts, and reads numbers", () => {
    const store = new ByteStore();
    store.add(Buffer.from([9, 1, 2, 9]), 1, 3);
    store.add(Buffer.from([3, 4]), 0, 2);
    expect([store.uint32At(0), store.byteAt(1), store.byteAt(7_000)]).toEqual([0x01020304, 2, 0]);
  });
});
