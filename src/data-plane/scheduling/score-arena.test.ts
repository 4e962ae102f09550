import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ScoreArena } from "./score-arena.ts";

/** A row that was taken, and the number it was filled with. */
interface Row {
  readonly numbers: Float64Array;
  readonly mark: number;
}

const isIntact = ({ numbers, mark }: Row) => numbers.every((number) => number === mark);

/** Decisions, each with the sizes of the rows it takes. */
const decisions = fc.array(fc.array(fc.nat({ max: 12 }), { maxLength: 8 }), { maxLength: 40 });

describe("ScoreArena", () => {
  it("hands out rows one after another, of the requested size", () => {
    const arena = new ScoreArena(10);
    const rows = [arena.take(4), arena.take(0), arena.take(6)];
    expect(rows.map(({ length }) => length)).toEqual([4, 0, 6]);
    expect(rows.map(({ byteOffset }) => byteOffset / 8)).toEqual([0, 4, 4]);
    expect(new Set(rows.map(({ buffer }) => buffer)).size).toBe(1);
  });

  it("wraps around once its rows are released", () => {
    const arena = new ScoreArena(10);
    arena.take(6);
    arena.close();
    // 6 + 6 > 10, so the row begins at 0 again.
    expect(arena.take(6).byteOffset).toBe(0);
  });

  it("knows if a decision's rows were overwritten", () => {
    const arena = new ScoreArena(10);
    arena.take(4);
    const first = arena.close();
    arena.take(4);
    const second = arena.close();
    expect([arena.holds(first), arena.holds(second)]).toEqual([true, true]);
    // 8 + 3 > 10: 2 are skipped and 0 to 3 overwritten.
    arena.take(3);
    expect([arena.holds(first), arena.holds(second)]).toEqual([false, true]);
    arena.take(4);
    expect(arena.holds(second)).toBe(false);
  });

  it("gives separate memory to a row that does not fit next to open ones", () => {
    const arena = new ScoreArena(10);
    const open = arena.take(6).fill(1);
    const alone = arena.take(6).fill(2);
    expect(alone.buffer).not.toBe(open.buffer);
    expect([...open]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(arena.take(11)).toHaveLength(11);
    expect(arena.holds(arena.close())).toBe(true);
  });

  it("works without any memory", () => {
    const arena = new ScoreArena(0);
    expect(arena.take(0)).toHaveLength(0);
    expect(arena.take(3)).toHaveLength(3);
    expect(arena.memoryBytes).toBe(0);
  });

  it("does not grow, for any number of rows", () => {
    const arena = new ScoreArena(10);
    for (let round = 0; round < 100; round += 1) {
      arena.take(7);
      arena.close();
    }
    // 10 numbers of 8 bytes
    expect(arena.memoryBytes).toBe(80);
  });

  it("never overwrites a row that is open, or of a decision it says it holds", () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), decisions, (size, sizes) => {
        const arena = new ScoreArena(size);
        const closed: { readonly from: number; readonly rows: readonly Row[] }[] = [];
        let mark = 0;
        for (const counts of sizes) {
          const open: Row[] = [];
          for (const count of counts) {
            mark += 1;
            open.push({ numbers: arena.take(count).fill(mark), mark });
            const held = closed.filter(({ from }) => arena.holds(from));
            expect([...open, ...held.flatMap(({ rows }) => rows)].every(isIntact)).toBe(true);
          }
          closed.push({ from: arena.close(), rows: open });
        }
      }),
    );
  });
});
