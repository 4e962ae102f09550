import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ownApiVersion } from "../src/config/document.ts";
import { scorerPlugin } from "../src/core/data-plane-plugin.ts";
import type { Plugin } from "../src/core/plugin.ts";
import { plugins } from "../src/gateway/plugins.ts";
import { wholeSchema } from "./generate/document-schema.ts";
import { pluginsPage } from "./generate/plugins-page.ts";
import { peerPluginTypes } from "#test/support/peer-plugin-types.ts";

const ownScorer = scorerPlugin({
  type: "own-scorer",
  aliases: ["older-scorer"],
  isOwn: true,
  summary: "Scores.",
  params: z.strictObject({}),
  create: () => ({ score: () => undefined }),
});
const builtIn: readonly Plugin[] = plugins;
const withOwn: readonly Plugin[] = [...plugins, ownScorer];

/** Needed of a file of a plugin whose `isOwn` is wrong. */
function adviceFor(plugin: Plugin): string {
  const { type } = plugin;
  const isOwn = !peerPluginTypes.has(type);
  if (isOwnOf(plugin) === isOwn) return "";
  return isOwn
    ? `llm-d-router has no ${type}: write isOwn: true in its file`
    : `llm-d-router has ${type}: take isOwn out of its file`;
}

function isOwnOf({ isOwn }: Plugin): boolean {
  return isOwn === true;
}

describe("plugins of our own", () => {
  it.each(builtIn.map((plugin) => ({ type: plugin.type, plugin })))(
    "are those that llm-d-router does not have: $type",
    ({ plugin }) => {
      expect(adviceFor(plugin)).toBe("");
    },
  );

  it("take no name that llm-d-router gives to another plugin", () => {
    const names = builtIn.filter(isOwnOf).flatMap(({ aliases = [] }) => aliases);
    expect(names.filter((name) => peerPluginTypes.has(name))).toEqual([]);
  });

  it.each(["own-scorer", "older-scorer"])(
    "are right by the JSON Schema under our own apiVersion alone: %s",
    (type) => {
      const accepts = new Ajv2020({ strict: false }).compile(wholeSchema(withOwn));
      const document = (apiVersion: string) => ({
        apiVersion,
        kind: "EndpointPickerConfig",
        plugins: [{ type: "queue-scorer" }, { type }],
      });
      expect(accepts(document(ownApiVersion))).toBe(true);
      expect(accepts(document("llm-d.ai/v1alpha1"))).toBe(false);
    },
  );

  it("say so in the reference of plugins, and no other does", () => {
    const marked = pluginsPage(withOwn)
      .split("\n### ")
      .filter((section) => section.includes(`\`apiVersion: ${ownApiVersion}\` can name it`));
    // The page has the kinds in an order of its own.
    const types = withOwn.filter(isOwnOf).map(({ type }) => type);
    expect(new Set(marked.map((section) => section.split("\n")[0]))).toEqual(new Set(types));
  });
});
