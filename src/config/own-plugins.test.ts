import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { PluginKind } from "../core/plugin.ts";
import { declared } from "../core/plugin.ts";
import { plugins } from "../gateway/plugins.ts";
import { apiVersions, ownApiVersion } from "./document.ts";
import { makePlan } from "./make-plan.ts";
import { readDocument } from "./read-document.ts";

const ownPlugin = (kind: PluginKind, type: string, aliases: readonly string[] = []) =>
  declared({
    kinds: [kind],
    type,
    aliases,
    isOwn: true,
    summary: "",
    params: z.strictObject({}),
    create: () => undefined,
  });

const registry = [
  ...plugins,
  ownPlugin("scorer", "shortest-output-scorer", ["short-scorer"]),
  ownPlugin("parser", "own-parser"),
];

function mistakesIn(apiVersion: string, parts: object): readonly string[] {
  const text = JSON.stringify({ apiVersion, kind: "EndpointPickerConfig", ...parts });
  const options = { testOnly: new Set<string>(), allowsTestOnly: false };
  const read = readDocument(text);
  if (read.kind === "invalid") throw new Error(read.mistakes.join("\n"));
  const result = makePlan(read.document, registry, options);
  return result.kind === "invalid" ? result.mistakes : [];
}

const refusal = (type: string) =>
  `${type} is Pointsman's own and llm-d-router does not know it; a document that uses it needs apiVersion: pointsman.dev/v1alpha1`;

/** Every way in which a document can name a plugin. */
const waysToName = [
  {
    way: "its type",
    parts: { plugins: [{ type: "shortest-output-scorer" }] },
    mistake: `plugins[0].type: ${refusal("shortest-output-scorer")}`,
  },
  {
    way: "another name beside the type",
    parts: {
      plugins: [{ type: "queue-scorer" }, { name: "short", type: "shortest-output-scorer" }],
      schedulingProfiles: [{ name: "default", plugins: [{ pluginRef: "short" }] }],
    },
    mistake: `plugins[1].type: ${refusal("shortest-output-scorer")}`,
  },
  {
    way: "an older name of its type",
    parts: { plugins: [{ type: "short-scorer" }] },
    mistake: `plugins[0].type: ${refusal("shortest-output-scorer")}`,
  },
  {
    way: "its type in a reference to a parser",
    parts: { requestHandler: { parsers: [{ pluginRef: "own-parser" }] } },
    mistake: `requestHandler.parsers[0].pluginRef: ${refusal("own-parser")}`,
  },
];

describe("a plugin of our own", () => {
  it.each(waysToName)("loads under ownApiVersion by $way", ({ parts }) => {
    expect(mistakesIn(ownApiVersion, parts)).toEqual([]);
  });

  it.each(
    apiVersions
      .filter((apiVersion) => apiVersion !== ownApiVersion)
      .flatMap((apiVersion) =>
        waysToName.map(({ way, parts, mistake }) => ({ apiVersion, way, parts, mistake })),
      ),
  )("is one mistake under $apiVersion, named by $way", ({ apiVersion, parts, mistake }) => {
    expect(mistakesIn(apiVersion, parts)).toEqual([mistake]);
  });
});
