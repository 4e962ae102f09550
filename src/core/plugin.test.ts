import { describe, expect, it } from "vitest";
import { declared, type PluginSpec } from "./plugin.ts";

interface Params {
  readonly level: number;
}

/** Takes a level of at least 0 and builds a sentence with it and its dependency. */
const spec: PluginSpec<Params, string, { readonly name: string }> = {
  kinds: ["scorer"],
  summary: "",
  type: "some-type",
  params: {
    safeParse: (value) => {
      const level = value === undefined ? 7 : Number(value);
      return level >= 0
        ? { success: true, data: { level } }
        : { success: false, error: { issues: [{ path: ["level"], message: "too low" }] } };
    },
  },
  create: ({ level }, { name }) => `${name} at ${level}`,
};

describe("a declared plugin", () => {
  const plugin = declared(spec);

  it("keeps the fields of its spec", () => {
    expect(plugin).toMatchObject(spec);
  });

  it("loads parameters with their defaults and builds from them, as often as asked", () => {
    const loaded = plugin.load(undefined);
    if (loaded.kind === "invalid") throw new Error("refused");
    expect(loaded.parameters).toEqual({ level: 7 });
    expect(loaded.build({ name: "a" })).toBe("a at 7");
    expect(loaded.build({ name: "b" })).toBe("b at 7");
  });

  it("reports every mistake with its path and builds nothing", () => {
    expect(plugin.load(-1)).toEqual({
      kind: "invalid",
      mistakes: [{ path: ["level"], message: "too low" }],
    });
  });
});
