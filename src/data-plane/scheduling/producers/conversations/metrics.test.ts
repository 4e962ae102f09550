import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { SessionTable } from "../../shared/session-table.ts";
import { registerSessionMetrics } from "./metrics.ts";

it("shows the entries of each table, and how many were dropped because it was full", async () => {
  const registry = new Registry();
  const memory = new SessionTable<string>({ ttlMs: 1_000 }, 2);
  registerSessionMetrics(registry, () => [{ type: "sticky", name: "mine", memory }]);
  for (const session of ["a", "b", "c", "d", "e"]) memory.set(session, "e1", 0);
  const labels = '{plugin_name="mine",plugin_type="sticky"}';
  const text = await registry.metrics();
  expect(text).toContain(`pointsman_session_table_entries${labels} 2`);
  // 5 were set, and 2 are left.
  expect(text).toContain(`pointsman_session_table_dropped_total${labels} 3`);
  expect(await registry.metrics()).toContain(`pointsman_session_table_dropped_total${labels} 3`);
});
