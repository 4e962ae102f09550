import { expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { MemoryKind } from "../core/plugin-states.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { createLogger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { createPool } from "./pool.ts";

const countsBySlot: MemoryKind<Map<number, number>> = {
  create: () => new Map(),
  forget: (counts, { slot }) => counts.delete(slot),
};

const spec = (name: string, port: number) => ({
  id: `default/${name}`,
  namespace: "default",
  name,
  address: "127.0.0.1",
  port,
  labels: {},
});

it("leaves nothing in the memories of plugins when a slot is reused, even if a request ended late", () => {
  const memory = new PluginMemory();
  const { logger } = createLogger("warn", { write: () => undefined });
  const registry = new MetricsRegistry();
  const { store, ledger } = createPool({ clock: new FakeClock(), log: logger, registry, memory });
  const { states, keep } = memory.open();
  const counts = states.memory(countsBySlot, { type: "a-scorer", name: "a" }, undefined);
  keep();

  const [before] = store.apply([spec("before", 1)]).added;
  if (before === undefined) throw new Error("the endpoint joined");
  const ticket = ledger.open(before, 0, 0);
  counts.set(before.slot, 1);
  store.apply([]);
  expect([...counts]).toEqual([]);

  // The request ends after its endpoint has left: a follower writes, and the slot is free.
  counts.set(before.slot, 2);
  ticket.release();
  expect(store.apply([spec("after", 2)]).added).toMatchObject([{ slot: before.slot }]);
  expect([...counts]).toEqual([]);
});
