import { expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { report } from "#test/support/reports.ts";
import type { MemoryKind } from "../core/plugin-states.ts";
import { defaultHealth } from "../state/health/phases.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { createLogger } from "../telemetry/logger.ts";
import { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import { createPool } from "./pool.ts";

const countsBySlot: MemoryKind<Map<number, number>> = {
  create: () => new Map(),
  forget: (counts, { slot }) => counts.delete(slot),
};

const aSentRequest: Parameters<ReturnType<typeof createPool>["health"]["sent"]>[1] = {
  ...{ client: undefined, kind: undefined, isStreaming: true, model: "llama" },
  ...{ promptTokens: 100, tokensMin: 100, tokensMax: 100 },
};

const spec = (name: string, port: number) => ({
  id: `default/${name}`,
  namespace: "default",
  name,
  address: "127.0.0.1",
  port,
  labels: {},
});

function aPool(memory = new PluginMemory()) {
  const { logger } = createLogger("warn", { write: () => undefined });
  const registry = new MetricsRegistry();
  const clock = new FakeClock();
  return { clock, registry, ...createPool({ clock, log: logger, registry, memory }) };
}

it("leaves nothing in the memories of plugins when a slot is reused, even if a request ended late", () => {
  const memory = new PluginMemory();
  const { store, ledger } = aPool(memory);
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

it.each([
  ["as it says, if its clock is right", 0, 54_000],
  ["30 s before the last report without it at most, if its clock is late", -3_600_000, 21_000],
  ["now at the latest, if its clock is early", 3_600_000, 56_000],
])("tells memories that an engine restarted %s", async (_, skewMs, expectedMs) => {
  const memory = new PluginMemory();
  const { clock, snapshot, ...state } = aPool(memory);
  const restarts: number[] = [];
  const { states, keep } = memory.open();
  const noting: typeof countsBySlot = {
    ...countsBySlot,
    restart: (_counts, _endpoint, restartMs) => restarts.push(restartMs),
  };
  states.memory(noting, { type: "a-scorer", name: "a" }, undefined);
  keep();
  const [endpoint] = state.store.apply([spec("a", 1)]).added;
  if (endpoint === undefined) throw new Error("the endpoint joined");
  const tell = (startedMs: number) => {
    const startedAtSeconds = (clock.wallMs() - clock.nowMs() + startedMs + skewMs) / 1_000;
    report(state, endpoint, { startedAtSeconds, atMs: clock.nowMs() });
    snapshot(clock.nowMs());
  };
  await clock.advance(51_000);
  tell(0);
  await clock.advance(5_000);
  tell(54_000);
  expect(restarts).toEqual([expectedMs]);
});

it("ends ejections and slow starts in time without a request, on pages and in metrics", async () => {
  const { clock, registry, store, health, run } = aPool();
  health.settings = { ...defaultHealth, ejectionMs: 10_000, slowStartMs: 20_000 };
  const specs = [spec("a", 1), spec("b", 2), spec("c", 3)];
  store.apply(specs.slice(0, 2));
  const stop = new AbortController();
  const running = run(stop.signal);
  const [ejected] = store.endpoints();
  const [starting] = store.apply(specs).added;
  if (ejected === undefined || starting === undefined) throw new Error("the pool took them");
  const follow = () => health.sent(ejected, aSentRequest, clock.nowMs());
  for (let count = 0; count < 3; count += 1) follow()?.ended("failed", clock.nowMs());
  const phases = () => [ejected, starting].map((endpoint) => health.stateOf(endpoint).phase);

  await clock.advance(9_000);
  expect(phases()).toEqual(["ejected", "slow-start"]);
  await clock.advance(1_250); // 10 s of ejection, and one tick
  expect(phases()).toEqual(["trial", "slow-start"]);
  await clock.advance(10_000);
  expect(phases()).toEqual(["trial", "ready"]);
  const page = await registry.metrics();
  expect(page).toContain('pointsman_endpoints_by_health{phase="ready"} 2');
  expect(page).toContain('pointsman_endpoints_by_health{phase="trial"} 1');
  stop.abort();
  await running;
});
