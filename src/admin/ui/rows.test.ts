import { describe, expect, it } from "vitest";
import { pageOf, searched, sorted } from "./rows.js";

const rows = [
  { id: "engine-10", load: 3 },
  { id: "engine-2", load: null },
  { id: "Engine-1", load: 1 },
  { id: "engine-3", load: Number.NaN },
];
const textOf = ({ id }: { id: string }) => id;
const ids = (shown: readonly { id: string }[]) => shown.map(({ id }) => id);

describe("rows of a table", () => {
  it("are sorted with numbers in names as numbers", () => {
    expect(ids(sorted(rows, ({ id }) => id, false))).toEqual([
      "Engine-1",
      "engine-2",
      "engine-3",
      "engine-10",
    ]);
  });

  it.each([
    { isDescending: false, order: ["Engine-1", "engine-10", "engine-2", "engine-3"] },
    { isDescending: true, order: ["engine-10", "Engine-1", "engine-2", "engine-3"] },
  ])("have unknown values last, descending: $isDescending", ({ isDescending, order }) => {
    expect(ids(sorted(rows, ({ load }) => load, isDescending))).toEqual(order);
  });

  it("are found by all words of a search in any case", () => {
    expect(ids(searched(rows, " ENGINE 1 ", textOf))).toEqual(["engine-10", "Engine-1"]);
    expect(searched(rows, "  ", textOf)).toBe(rows);
    expect(searched(rows, "(", textOf)).toEqual([]);
  });

  it("come in pages of 50, and a page that is gone becomes the last one", () => {
    const many = Array.from({ length: 101 }, (_, index) => index);
    expect(pageOf(many, 0)).toMatchObject({ page: 0, last: 2, start: 0 });
    expect(pageOf(many, 9).rows).toEqual([100]);
    expect(pageOf(many, -1).page).toBe(0);
    expect(pageOf([], 3)).toEqual({ page: 0, last: 0, start: 0, rows: [] });
  });
});
