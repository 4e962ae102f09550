import { describe, expect, it } from "vitest";
import type { MemoryKind, MemoryOwner } from "../core/plugin-states.ts";
import { anEndpoint } from "#test/support/builders.ts";
import { PluginMemory } from "./plugin-memory.ts";

/** Endpoints and their number of uses, as a plugin from outside may keep them. */
interface Uses {
  readonly counts: Map<string, number>;
  endpointsMax: number;
}

const uses: MemoryKind<Uses, { readonly endpointsMax: number }> = {
  create: ({ endpointsMax }) => ({ counts: new Map(), endpointsMax }),
  configure: (memory, { endpointsMax }) => (memory.endpointsMax = endpointsMax),
  forget: ({ counts }, { id }) => counts.delete(id),
};
/** A kind without any of the optional functions. */
const bare: MemoryKind<string[]> = { create: () => [] };

const owner = (name: string, type = "a-scorer"): MemoryOwner => ({ type, name });

function opened(memory: PluginMemory, who = owner("a"), endpointsMax = 3) {
  const { states, keep } = memory.open();
  return { uses: states.memory(uses, who, { endpointsMax }), states, keep };
}

/** A memory in force that holds a count for `default/engine-0`. */
function kept(who = owner("a")) {
  const memory = new PluginMemory();
  const first = opened(memory, who);
  first.keep();
  first.uses.counts.set("default/engine-0", 7);
  return { memory, first };
}

describe("the memory of plugins", () => {
  it("is found again by the next configuration under the same kind, type and name", () => {
    const { memory, first } = kept();
    expect(opened(memory).uses).toBe(first.uses);
  });

  it.each([
    { what: "name", other: owner("b") },
    { what: "type", other: owner("a", "a-filter") },
    // Type and name join to the same text.
    { what: "type and name, however they are split", other: owner("scorer a", "a-") },
  ])("is another one for another $what", ({ other }) => {
    const { memory } = kept();
    expect([...opened(memory, other).uses.counts]).toEqual([]);
  });

  it("is another one for another kind of the same plugin", () => {
    const { memory, first } = kept();
    const other: typeof uses = { ...uses };
    const next = memory.open().states.memory(other, owner("a"), { endpointsMax: 3 });
    expect(next).not.toBe(first.uses);
  });

  it("is the same one for every request of one plugin", () => {
    const { states } = new PluginMemory().open();
    expect(states.memory(bare, owner("a"), undefined)).toBe(
      states.memory(bare, owner("a"), undefined),
    );
  });

  it("stays unchanged if a configuration is not kept", () => {
    const { memory, first } = kept();
    opened(memory, owner("a", "a-filter"));
    expect([...memory.ofKind(uses)]).toEqual([{ ...owner("a"), memory: first.uses }]);
    expect(opened(memory).uses).toBe(first.uses);
  });

  it("is dropped once a configuration is kept that does not ask for it", () => {
    const { memory, first } = kept();
    opened(memory, owner("b")).keep();
    expect([...memory.ofKind(uses)].map(({ name }) => name)).toEqual(["b"]);
    expect(opened(memory).uses).not.toBe(first.uses);
  });

  it("takes new settings only when it is kept", () => {
    const { memory, first } = kept();
    const next = opened(memory, owner("a"), 1);
    expect(first.uses.endpointsMax).toBe(3);
    next.keep();
    expect(first.uses.endpointsMax).toBe(1);
  });

  it("forgets an endpoint in every memory in force whose kind can forget", () => {
    const { memory, first } = kept();
    const next = opened(memory);
    next.states.memory(uses, owner("b"), { endpointsMax: 3 }).counts.set("default/engine-0", 1);
    next.states.memory(bare, owner("b"), undefined).push("default/engine-0");
    next.keep();
    memory.forget(anEndpoint());
    expect([...memory.ofKind(uses)].map(({ memory: { counts } }) => counts.size)).toEqual([0, 0]);
    expect([...memory.ofKind(bare)].map(({ memory: names }) => names)).toEqual([
      ["default/engine-0"],
    ]);
    expect(first.uses.counts.size).toBe(0);
  });

  it("forgets an endpoint that restarts, or what its kind says of restarts", () => {
    const { memory } = kept();
    const restarts: number[] = [];
    const lasting: typeof uses = {
      ...uses,
      restart: (_memory, _endpoint, restartMs) => restarts.push(restartMs),
    };
    const next = opened(memory);
    next.states.memory(uses, owner("a"), { endpointsMax: 3 }).counts.set("default/engine-0", 1);
    next.states.memory(lasting, owner("a"), { endpointsMax: 3 }).counts.set("default/engine-0", 1);
    next.keep();
    memory.restart(anEndpoint(), 700);
    const countsOf = (kind: typeof uses) =>
      [...memory.ofKind(kind)].map(({ memory: { counts } }) => counts.size);
    expect([countsOf(uses), countsOf(lasting), restarts]).toEqual([[0], [1], [700]]);
  });

  it("has none of a kind that no plugin asked for", () => {
    expect([...new PluginMemory().ofKind(uses)]).toEqual([]);
  });
});
