import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { MissingSignal } from "../core/signals.ts";
import { EndpointStore } from "./endpoint-store.ts";
import { PoolSlots } from "./pool-slots.ts";
import { ReadingStates, type SilenceEvent } from "./reading-states.ts";

const queue: MissingSignal = {
  signal: "waiting-requests",
  family: "vllm:num_requests_waiting",
  reason: "absent",
};
const percent: MissingSignal = {
  signal: "kv-cache-used",
  family: "vllm:kv_cache_usage_perc",
  reason: "above-one",
};

/** A pool of `count` endpoints whose queue is needed by `queue-scorer`. */
function pooled(count: number) {
  const store = new EndpointStore(new PoolSlots(16));
  const specs = Array.from({ length: count }, (_, index) => ({
    ...{ id: `default/e${index}`, namespace: "default", name: `e${index}` },
    ...{ address: `10.0.0.${index}`, port: 8_000, labels: {} },
  }));
  const clock = new FakeClock();
  const events: SilenceEvent[] = [];
  const states = new ReadingStates({ store, clock, onEvent: (event) => events.push(event) });
  states.needs = new Map([["waiting-requests", ["queue-scorer"]]]);
  store.apply(specs);
  const set = (index: number, missing: readonly MissingSignal[], engine = "vllm") => {
    const slot = store.endpoints()[index]?.slot ?? -1;
    const generation = store.board.generations[slot] ?? 0;
    states.set({ slot, generation }, { url: "u", engine, failure: undefined, missing });
  };
  const shown = () =>
    events
      .splice(0)
      .map((event) =>
        event.kind === "missing"
          ? `${event.group.engine} ${event.group.family} ${event.group.reason} ${event.group.endpoints}/${event.group.ofEndpoints} for ${event.group.neededBy.join()}`
          : `${event.engine} ${event.signal} again`,
      );
  return { store, specs, states, set, later: () => clock.advance(2_000), shown };
}

const missingQueue = "vllm vllm:num_requests_waiting absent";

describe("a needed signal that is missing", () => {
  it("is reported once for all endpoints that change together, and once when all report it again", async () => {
    const { set, later, shown } = pooled(4);
    for (const index of [0, 1, 2, 3]) set(index, index < 3 ? [queue] : []);
    await later();
    expect(shown()).toEqual([`${missingQueue} 3/4 for queue-scorer`]);
    // One more endpoint that lacks it is part of the same event, and so is one that reports it
    // again.
    set(3, [queue]);
    await later();
    set(0, []);
    await later();
    expect(shown()).toEqual([]);
    for (const index of [1, 2, 3]) set(index, []);
    await later();
    expect(shown()).toEqual(["vllm waiting-requests again"]);
  });

  it("is reported again for another reason, and for another engine", async () => {
    const { set, later, shown } = pooled(2);
    set(0, [queue]);
    await later();
    expect(shown()).toEqual([`${missingQueue} 1/1 for queue-scorer`]);
    set(0, [{ ...queue, reason: "not-a-number" }]);
    set(1, [{ ...queue, family: "sglang:num_queue_reqs" }], "sglang");
    await later();
    expect(shown()).toEqual([
      "vllm vllm:num_requests_waiting not-a-number 1/1 for queue-scorer",
      "sglang sglang:num_queue_reqs absent 1/1 for queue-scorer",
    ]);
  });

  it("is not reported until a plugin reads it", async () => {
    const { states, set, later, shown } = pooled(1);
    set(0, [percent]);
    await later();
    expect(shown()).toEqual([]);
    expect(states.missing()).toEqual([]);
    states.needs = new Map([["kv-cache-used", ["kv", "detector"]]]);
    await later();
    expect(shown()).toEqual(["vllm vllm:kv_cache_usage_perc above-one 1/1 for kv,detector"]);
    expect(states.missing()).toEqual([
      { ...percent, engine: "vllm", endpoints: 1, ofEndpoints: 1, neededBy: ["kv", "detector"] },
    ]);
  });

  it("is gone with its endpoint, and does not affect the next one in its slot", async () => {
    const { store, specs, states, set, later, shown } = pooled(1);
    set(0, [queue]);
    await later();
    expect(shown()).toHaveLength(1);
    store.apply([]);
    store.apply(specs);
    expect(store.endpoints().map((endpoint) => states.stateOf(endpoint))).toEqual([undefined]);
    await later();
    expect(shown()).toEqual(["vllm waiting-requests again"]);
  });

  it("is no longer checked after a stop", async () => {
    const { states, set, later, shown } = pooled(1);
    set(0, [queue]);
    states.stop();
    await later();
    expect(shown()).toEqual([]);
  });
});
