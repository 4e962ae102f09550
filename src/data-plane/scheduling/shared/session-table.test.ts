import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SessionTable } from "./session-table.ts";

describe("the table of sessions", () => {
  it("keeps the endpoint of a session until it is unused for the time to live", () => {
    const table = new SessionTable<string>({ ttlMs: 100 });
    table.set("s", "e1", 0);
    expect(table.get("s", 100)).toBe("e1");
    // Used at 100, so it lives until 200.
    expect(table.get("s", 200)).toBe("e1");
    expect(table.get("s", 301)).toBeUndefined();
    expect(table.size).toBe(0);
  });

  it("moves a session", () => {
    const table = new SessionTable<string>({ ttlMs: 100 });
    table.set("s", "e1", 0);
    table.set("s", "e2", 50);
    expect(table.get("s", 60)).toBe("e2");
    expect(table.size).toBe(1);
  });

  it("drops the least recently used session once it is full", () => {
    const table = new SessionTable<string>({ ttlMs: 1_000 }, 2);
    table.set("a", "e1", 0);
    table.set("b", "e1", 1);
    table.get("a", 2);
    table.set("c", "e1", 3);
    expect(["a", "b", "c"].map((session) => table.get(session, 4))).toEqual([
      "e1",
      undefined,
      "e1",
    ]);
  });

  it("drops every session that has expired, not only the one asked for", () => {
    const table = new SessionTable<string>({ ttlMs: 10 });
    table.set("a", "e1", 0);
    table.set("b", "e1", 0);
    table.set("c", "e1", 100);
    expect(table.size).toBe(1);
  });

  it("counts entries that it drops because it is full, and not those that expire", () => {
    const table = new SessionTable<string>({ ttlMs: 10 }, 2);
    for (const session of ["a", "b", "c"]) table.set(session, "e1", 0);
    table.set("d", "e1", 100);
    expect([table.size, table.droppedCount]).toEqual([1, 1]);
  });

  it("equals a list in the order of use, for any operations", () => {
    const session = fc.constantFrom("a", "b", "c", "d", "e");
    const operation = fc.record({
      kind: fc.constantFrom("get", "set", "delete"),
      session,
      passesMs: fc.nat(40),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const table = new SessionTable<number>({ ttlMs: 100 }, 3);
        let nowMs = 0;
        // Oldest first.
        let list: { session: string; value: number; usedAtMs: number }[] = [];
        for (const [value, { kind, session: name, passesMs }] of operations.entries()) {
          nowMs += passesMs;
          if (kind !== "delete") list = list.filter((each) => nowMs - each.usedAtMs <= 100);
          const found = list.find((each) => each.session === name);
          const others = list.filter((each) => each.session !== name);
          const got = kind === "get" ? table.get(name, nowMs) : undefined;
          if (kind === "set") {
            table.set(name, value, nowMs);
            list = [...others, { session: name, value, usedAtMs: nowMs }].slice(-3);
          } else if (kind === "delete") {
            table.delete(name);
            list = others;
          } else if (found !== undefined) list = [...others, { ...found, usedAtMs: nowMs }];
          expect(got).toBe(kind === "get" ? found?.value : undefined);
          expect(table.size).toBe(list.length);
        }
      }),
    );
  });
});
