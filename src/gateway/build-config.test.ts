import { describe, expect, it } from "vitest";
import { z } from "zod";
import { hashOf } from "../config/read-document.ts";
import { decisionPlugins } from "../data-plane/plugins.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { buildConfig } from "./build-config.ts";

const head = "apiVersion: pointsman.dev/v1alpha1\nkind: EndpointPickerConfig\n";

/** A profile handler for one profile, with two; an extractor that does not suit its source. */
const twoProfiles = `schedulingProfiles: [{name: a, plugins: [{pluginRef: queue-scorer}]}, {name: b, plugins: [{pluginRef: queue-scorer}]}]
`;
const wrongExtractor =
  "dataLayer: {sources: [{pluginRef: models-data-source, extractors: [{pluginRef: dcgm-extractor}]}]}\n";
const plugins = (...types: readonly string[]) =>
  `plugins: [${types.map((type) => `{type: ${type}}`).join(", ")}]\n`;

function build(text: string) {
  return buildConfig(text, { memory: new PluginMemory(), random: () => 0, allowsTestOnly: false });
}

describe("a build", () => {
  it("keeps its document, with the hash that identifies it", () => {
    const result = build(head);
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    expect(result.build.document).toMatchObject({ text: head, hash: hashOf(head) });
  });

  it("is refused with the mistakes of both planes at once", () => {
    const types = [
      "queue-scorer",
      "single-profile-handler",
      "models-data-source",
      "dcgm-extractor",
    ];
    expect(build(head + plugins(...types) + twoProfiles + wrongExtractor)).toEqual({
      kind: "invalid",
      mistakes: [
        "schedulingProfiles: single-profile-handler runs exactly one scheduling profile, but there are 2",
        "dataLayer.sources[0].extractors[0].pluginRef: dcgm-extractor cannot read the data of models-data-source",
      ],
    });
  });

  it("knows the readers of each signal, and the models that endpoints are asked for", () => {
    const types = ["queue-scorer", "models-data-source"];
    const extractor =
      "{name: models, type: models-data-extractor, parameters: {rejectUnknownModels: true}}";
    const text = `${head}plugins: [${types.map((type) => `{type: ${type}}`).join(", ")}, ${extractor}]
dataLayer: {sources: [{pluginRef: models-data-source, extractors: [{pluginRef: models}]}]}
`;
    const result = build(text);
    if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
    const { controlPlane, dataPlane } = result.build;
    expect(controlPlane.signalNeeds.get("waiting-requests")).toContain("queue-scorer");
    expect(controlPlane.scrape.probes).toMatchObject([{ kind: "models" }]);
    expect([controlPlane.listsModels, dataPlane.refusesUnknownModels]).toEqual([true, true]);
    // The model of every request is read, since it decides where the request may go.
    const bare = { id: "1", method: "POST", path: "/x", headers: new Map(), subset: undefined };
    expect(dataPlane.usesModel(bare)).toBe(true);
  });
});

describe("a parameter that names a producer", () => {
  const named = decisionPlugins.flatMap(({ type, params }) => {
    if (!(params instanceof z.ZodType)) throw new Error(`${type} has no schema of parameters`);
    const { properties = {} } = z.toJSONSchema(params, { io: "input", unrepresentable: "any" });
    const parameters = Object.keys(properties).filter((name) => name.endsWith("ProducerName"));
    return parameters.map((parameter) => [type, parameter] as const);
  });

  it.each(named)("of %s may be empty, as if %s were missing", (type, parameter) => {
    const mistakesWith = (parameters: string) => {
      const result = build(`${head}plugins: [{type: ${type}, parameters: {${parameters}}}]\n`);
      return result.kind === "invalid" ? result.mistakes : [];
    };
    expect(mistakesWith(`${parameter}: ""`)).toEqual(mistakesWith(""));
  });
});
