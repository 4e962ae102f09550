import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { headerTable, pickersHeaders, valueOf } from "./headers.ts";

/** Names that look like headers but are not ours: HTTP's own, those of other systems, and metadata keys. */
const others = new Set([
  "x-request-id",
  "x-content-type-options",
  "x-forwarded-for",
  "x-api-key",
  "x-gzip",
  "x-anthropic-billing-header",
  "x-gateway-destination-endpoint-served",
  "x-gateway-destination-endpoint-subset",
  // Envoy's, on answers.
  "x-envoy-upstream-service-time",
  "x-envoy-overloaded",
]);

const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
  (file) =>
    /(?<!\.test)\.ts$/.test(file) &&
    file !== "core/headers.ts" &&
    // These are inputs of the picker or of Envoy, not its outputs.
    !/^(simulator|demo)\/|\/generated\//.test(file),
);

describe("the table of headers", () => {
  it("is the only place in src that names one", () => {
    const named = sources.flatMap((file) =>
      [...readFileSync(path.join("src", file), "utf8").matchAll(/"(x-[a-z0-9-]+)"/g)].flatMap(
        ([, name = ""]) => (others.has(name) ? [] : [`${file}: ${name}`]),
      ),
    );
    expect(named).toEqual([]);
  });

  it("names each header once", () => {
    const names = Object.values(headerTable).flatMap((row) =>
      "olderName" in row ? [row.name, row.olderName] : [row.name],
    );
    expect(names).toEqual([...new Set(names)].map((name) => name.toLowerCase()));
  });

  it("has the headers of a client that never reach an engine", () => {
    expect(pickersHeaders.toSorted()).toEqual([
      "x-data-parallel-host-port",
      "x-encoder-hosts-ports",
      "x-gateway-destination-endpoint",
      "x-kv-cache-source-host-port",
      "x-prefiller-host-port",
    ]);
  });
});

it.each([
  { values: {}, read: undefined },
  { values: { "x-slo-ttft-ms": "5" }, read: "5" },
  { values: { "x-llm-d-slo-ttft-ms": "3", "x-slo-ttft-ms": "5" }, read: "3" },
  { values: { "x-llm-d-slo-ttft-ms": "", "x-slo-ttft-ms": "5" }, read: "5" },
  { values: { "x-llm-d-slo-ttft-ms": "", "x-slo-ttft-ms": "" }, read: undefined },
])(
  "reads the newer name first, and an empty value as a missing one: $values",
  ({ values, read }) => {
    expect(valueOf(new Map(Object.entries(values)), headerTable.sloTtft)).toBe(read);
  },
);
