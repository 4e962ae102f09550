import { readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { testOnlyPlugins } from "../src/data-plane/scheduling/registry.ts";
import { ownApiVersion } from "../src/config/document.ts";
import { effectiveDocument } from "../src/config/effective-document.ts";
import { defaultConfigText } from "../src/config/default-document.ts";
import { plannedPlugins } from "../src/config/planned-plugins.ts";
import { plugins } from "../src/gateway/plugins.ts";
import { wholeSchema } from "./generate/document-schema.ts";
import {
  built,
  documentsIn,
  loadedFolder,
  mistakesPathOf,
  refusedFolder,
} from "./generate/effective-documents.ts";
import { mutated, mutations } from "#test/support/mutations.ts";

const loadedDocuments = documentsIn(loadedFolder);
const refusedDocuments = documentsIn(refusedFolder);

const sampleShape = z.looseObject({
  apiVersion: z.string(),
  plugins: z.array(z.looseObject({ type: z.string() })).default([]),
});

/** A sample that loads, as a plain value. */
const sample = (document: string) => sampleShape.parse(parse(readFileSync(document, "utf8")));

const schemaAccepts = new Ajv2020({ strict: false, allErrors: true }).compile(wholeSchema());

/** The effective document, as one reads it in JSON. */
function effectiveOf(text: string): Record<string, unknown> {
  const result = built(text);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const document: unknown = JSON.parse(JSON.stringify(effectiveDocument(result.build.plan)));
  return z.record(z.string(), z.unknown()).parse(document);
}

function mistakesIn(text: string): readonly string[] {
  const result = built(text);
  return result.kind === "invalid" ? result.mistakes : [];
}

const ref = (pluginRef: string) => ({ pluginRef });

const valuesOf = (documents: readonly string[]) =>
  documents.map((document): unknown => parse(readFileSync(document, "utf8")));

const changedOf = (values: readonly unknown[], changesMax: number) =>
  fc
    .tuple(fc.constantFrom(...values), mutations(changesMax))
    .map(([value, changes]) => mutated(value, changes));

describe.each(loadedDocuments)("%s", (document) => {
  const text = readFileSync(document, "utf8");

  it("gives an effective document that gives itself again", () => {
    const effective = effectiveOf(text);
    expect(effectiveOf(stringify(effective))).toEqual(effective);
  });

  it("is the same with sorted keys, as JSON and under the other apiVersions", () => {
    const effective = effectiveOf(text);
    const value = sample(document);
    expect(effectiveOf(stringify(value, { sortMapEntries: true }))).toEqual(effective);
    expect(effectiveOf(JSON.stringify(value))).toEqual(effective);
    // A document of our own without profiles and scorers gets another scorer.
    if (value.apiVersion === ownApiVersion || document.endsWith("/empty.yaml")) return;
    // With the gate of the queue, it gets another detector too.
    const hasQueue = text.includes("flowControl");
    for (const apiVersion of [
      "llm-d.ai/v1alpha1",
      "inference.networking.x-k8s.io/v1alpha1",
      "config.x-k8s.io/v1alpha1",
      ...(hasQueue ? [] : [ownApiVersion]),
    ]) {
      const other = effectiveOf(stringify({ ...value, apiVersion }));
      expect(other).toEqual({ ...effective, apiVersion });
    }
  });

  it("is right by the JSON Schema, and so is its effective document", () => {
    schemaAccepts(sample(document));
    expect(schemaAccepts.errors ?? []).toEqual([]);
    schemaAccepts(effectiveOf(text));
    expect(schemaAccepts.errors ?? []).toEqual([]);
  });
});

describe("the samples that load", () => {
  it("begin with the default document", () => {
    expect(readFileSync(path.join(loadedFolder, "default.yaml"), "utf8")).toBe(defaultConfigText);
  });

  const named = new Set(
    loadedDocuments.flatMap((document) => sample(document).plugins.map(({ type }) => type)),
  );
  const types = plugins.flatMap((plugin) =>
    [plugin.type].concat("aliases" in plugin ? (plugin.aliases ?? []) : []),
  );

  it.each(types.filter((type) => !testOnlyPlugins.has(type)))("declare %s", (type) => {
    const advice = `no document of ${loadedFolder} declares ${type}: add one, or an entry to one`;
    expect(named.has(type) ? "" : advice).toBe("");
  });
});

describe("the samples that are refused", () => {
  const mistakes = refusedDocuments.map((document) =>
    readFileSync(mistakesPathOf(document), "utf8"),
  );

  it.each([...plannedPlugins])("name %s, which is not built yet", (type) => {
    const line = `${type} is known and not built yet\n`;
    expect(mistakes.some((text) => text.includes(line))).toBe(true);
  });

  it.each([
    "own-signals-and-health.yaml",
    "identity.yaml",
    "kserve-sample-precise-prefix.yaml",
    "list.json",
    "own-sections.yaml",
    "own-values.yaml",
    "spelling.yaml",
    "values.yaml",
  ])("are wrong by the JSON Schema too where it is shapes and types: %s", (file) => {
    const value: unknown = parse(readFileSync(path.join(refusedFolder, file), "utf8"));
    expect(schemaAccepts(value)).toBe(false);
  });

  it.each(["handlers.yaml", "references.yaml", "stage-profiles.yaml", "conformance.yaml"])(
    "are right by it where it is what one part says of another: %s",
    (file) => {
      const value: unknown = parse(readFileSync(path.join(refusedFolder, file), "utf8"));
      expect(schemaAccepts(value)).toBe(true);
    },
  );
});

describe("the default document in force", () => {
  const effective = effectiveOf(defaultConfigText);
  it("has these plugins in this order", () => {
    const entries = z.array(z.looseObject({ type: z.string(), name: z.string().optional() }));
    expect(entries.parse(effective["plugins"]).map(({ name, type }) => name ?? type)).toEqual([
      ...["conversation-producer", "stored-response-filter", "expected-latency-scorer"],
      ...["metrics-data-source", "core-metrics-extractor"],
      ...["single-profile-handler", "max-score-picker"],
      ...["fcfs-ordering-policy", "global-strict-fairness-policy", "static-usage-limit-policy"],
      ...["openai-parser", "anthropic-parser", "vllmhttp-parser", "passthrough-parser"],
      ...["utilization-detector", "session-home-producer", "predicted-latency-producer"],
      ...["approx-prefix-cache-producer", "token-producer"],
    ]);
  });

  it("has one profile with these weights, and the default references", () => {
    expect(effective).toMatchObject({
      schedulingProfiles: [
        {
          name: "default",
          plugins: [
            ref("stored-response-filter"),
            { ...ref("expected-latency-scorer"), weight: 1 },
            ref("max-score-picker"),
          ],
        },
      ],
      requestHandler: {
        parsers: ["openai", "anthropic", "vllmhttp", "passthrough"].map((name) =>
          ref(`${name}-parser`),
        ),
      },
      flowControl: { saturationDetector: ref("utilization-detector") },
      dataLayer: {
        sources: [{ ...ref("metrics-data-source"), extractors: [ref("core-metrics-extractor")] }],
      },
    });
  });
});

describe("a sample with changes", { timeout: 120_000 }, () => {
  const loaded = valuesOf(loadedDocuments);
  const refused = valuesOf(refusedDocuments.filter((file) => !file.endsWith("not-yaml.yaml")));

  it("either loads, or has only mistakes that say where", () => {
    fc.assert(
      fc.property(changedOf([...loaded, ...refused], 4), (value) => {
        const result = built(JSON.stringify(value) ?? "");
        if (result.kind === "built") return;
        expect(result.mistakes.length).toBeGreaterThan(0);
        expect(result.mistakes.filter((line) => !saysWhere(line, value))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it("is right by the JSON Schema where it loads, and its effective document gives itself again", () => {
    fc.assert(
      fc.property(changedOf(loaded, 2), (value) => {
        const text = JSON.stringify(value) ?? "";
        // zod reads a record without this key, whatever it holds.
        if (text.includes('"__proto__"') || mistakesIn(text).length > 0) return;
        schemaAccepts(value);
        expect(schemaAccepts.errors ?? []).toEqual([]);
        const effective = effectiveOf(text);
        expect(effectiveOf(JSON.stringify(effective))).toEqual(effective);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Whether a mistake begins with a path into the document, if that is one at all. */
function saysWhere(mistake: string, document: unknown): boolean {
  if (typeof document !== "object" || document === null || Array.isArray(document)) return true;
  const fields = ["apiVersion", "kind", "plugins", "schedulingProfiles", ...Object.keys(document)];
  return fields.some(
    (field) => mistake.startsWith(field) && /^[.[:]/.test(mistake.slice(field.length)),
  );
}
