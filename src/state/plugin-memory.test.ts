import { describe, expect, it } from "vitest";
import { anEndpoint, aRequest } from "#test/support/builders.ts";
import { PluginMemory } from "./plugin-memory.ts";

const query = {
  prompts: aRequest().prompts,
  model: "m",
  cacheSalt: "",
  promptTokensMax: 0,
  candidates: [anEndpoint()],
  blockTokensOf: () => 64,
};

function opened(memory: PluginMemory, ...names: string[]) {
  const { states, keep } = memory.open();
  const caches = names.map((name) => states.prefixCache(name));
  return { states, keep, caches };
}

describe("the memory of plugins", () => {
  it("is found again under the same name by the next configuration", () => {
    const memory = new PluginMemory();
    const first = opened(memory, "a");
    first.caches[0]?.lookUp(query).add(0, 100);
    first.keep();
    const next = opened(memory, "a");
    expect(next.caches[0]).toBe(first.caches[0]);
    expect(next.caches[0]?.lookUp(query).matchedBlocks(0)).toBe(1);
  });

  it("is the same one for two plugins of one configuration that name it", () => {
    const { states } = opened(new PluginMemory());
    expect(states.tokenLedger("a")).toBe(states.tokenLedger("a"));
    expect(states.tokenLedger("a")).not.toBe(states.tokenLedger("b"));
  });

  it("stays as it was where a configuration is not kept", () => {
    const memory = new PluginMemory();
    const first = opened(memory, "a");
    first.keep();
    opened(memory, "b");
    expect([...memory.prefixCaches.keys()]).toEqual(["a"]);
    expect(opened(memory, "a").caches).toEqual(first.caches);
  });

  it("is dropped once a configuration is kept that does not ask for it", () => {
    const memory = new PluginMemory();
    const first = opened(memory, "a");
    first.keep();
    opened(memory, "b").keep();
    expect([...memory.prefixCaches.keys()]).toEqual(["b"]);
    expect(opened(memory, "a").caches[0]).not.toBe(first.caches[0]);
  });

  it("takes new settings only when it is kept", () => {
    const memory = new PluginMemory();
    const first = memory.open();
    const list = first.states.recentEndpoints("a", { endpointsMax: 3 });
    first.keep();
    for (const id of ["x", "y", "z"]) list.use(id);
    const next = memory.open();
    next.states.recentEndpoints("a", { endpointsMax: 1 });
    list.use("x");
    expect([...list.ids]).toEqual(["y", "z", "x"]);
    next.keep();
    list.use("y");
    expect([...list.ids]).toEqual(["y"]);
  });

  it("forgets an endpoint that has gone", () => {
    const memory = new PluginMemory();
    const { states, keep, caches } = opened(memory, "a");
    const list = states.recentEndpoints("a", { endpointsMax: 3 });
    keep();
    caches[0]?.lookUp(query).add(0, 100);
    list.use("default/engine-0");
    memory.forget(anEndpoint());
    expect(caches[0]?.lookUp(query).matchedBlocks(0)).toBe(0);
    expect([...list.ids]).toEqual([]);
  });
});
