import { describe, expect, it } from "vitest";
import { isUseOf, type PluginUse, usesOf } from "./plan.ts";
import { declared, type Plugin } from "./plugin.ts";

const params = {
  safeParse: (value: unknown) => ({ success: true, data: Number(value) }) as const,
};

/** Builds the sum of its parameter and its dependency. */
const sum = declared({
  ...({ kinds: ["scorer"], type: "sum", summary: "", params } as const),
  create: (own: number, { more }: { readonly more: number }) => own + more,
});
const other = declared({
  ...({ kinds: ["scorer"], type: "other", summary: "", params } as const),
  create: (own: number) => `${own}`,
});

function use(plugin: Plugin, name: string, parameters: unknown): PluginUse {
  const loaded = plugin.load(parameters);
  if (loaded.kind === "invalid") throw new Error("refused");
  return { name, plugin, loaded, origin: "declared" };
}

describe("uses of a plugin", () => {
  const uses = [use(sum, "a", 1), use(other, "b", 2), use(sum, "c", 3)];

  it("are found by the plugin, keep their order, and build what the plugin builds", () => {
    const found = usesOf([sum], uses);
    expect(found.map(({ name }) => name)).toEqual(["a", "c"]);
    // 1 + 10 and 3 + 10
    expect(found.map(({ loaded }) => loaded.build({ more: 10 }))).toEqual([11, 13]);
  });

  it("are not those of another plugin of the same type", () => {
    const twin = declared({ ...sum });
    expect(uses.filter((each) => isUseOf([twin], each))).toEqual([]);
    expect(usesOf([other], uses).map(({ name }) => name)).toEqual(["b"]);
  });
});
