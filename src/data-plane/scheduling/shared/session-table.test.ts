import { describe, expect, it } from "vitest";
import { SessionTable } from "./session-table.ts";

describe("the table of sessions", () => {
  it("keeps the endpoint of a session until it is unused for the time to live", () => {
    const table = new SessionTable({ ttlMs: 100 });
    table.assign("s", "e1", 0);
    expect(table.endpointOf("s", 100)).toBe("e1");
    // Used at 100, so it lives until 200.
    expect(table.endpointOf("s", 200)).toBe("e1");
    expect(table.endpointOf("s", 301)).toBeUndefined();
    expect(table.size).toBe(0);
  });

  it("moves a session", () => {
    const table = new SessionTable({ ttlMs: 100 });
    table.assign("s", "e1", 0);
    table.assign("s", "e2", 50);
    expect(table.endpointOf("s", 60)).toBe("e2");
    expect(table.size).toBe(1);
  });

  it("drops the least recently used session once it is full", () => {
    const table = new SessionTable({ ttlMs: 1_000 }, 2);
    table.assign("a", "e1", 0);
    table.assign("b", "e1", 1);
    table.endpointOf("a", 2);
    table.assign("c", "e1", 3);
    expect(["a", "b", "c"].map((session) => table.endpointOf(session, 4))).toEqual([
      "e1",
      undefined,
      "e1",
    ]);
  });

  it("drops every session that has expired, not only the one asked for", () => {
    const table = new SessionTable({ ttlMs: 10 });
    table.assign("a", "e1", 0);
    table.assign("b", "e1", 0);
    table.assign("c", "e1", 100);
    expect(table.size).toBe(1);
  });
});
