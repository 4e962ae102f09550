import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ScrapeMetrics } from "../src/control-plane/signals/scrape/metrics.ts";
import { ERRORS } from "../src/core/errors.ts";
import { serveFlags } from "../src/cli/serve-flags.ts";
import { documentSchema } from "../src/config/document.ts";
import { plannedPlugins } from "../src/config/planned-plugins.ts";
import { plugins } from "../src/gateway/plugins.ts";
import { olderMetricNames } from "../src/telemetry/older-names.ts";
import { registerClusterMetrics } from "../src/control-plane/metrics.ts";
import { MetricsRegistry } from "../src/telemetry/metrics-registry.ts";
import { registerPoolMetrics } from "../src/telemetry/pool-metrics.ts";
import { FlowMetrics } from "../src/gateway/flow-metrics.ts";
import { HitStudy } from "../src/state/hits/hit-study.ts";
import { registerHitMetrics } from "../src/state/hits/metrics.ts";
import { registerLatencyMetrics } from "../src/data-plane/scheduling/producers/latency/metrics.ts";
import {
  prefixHitMetricsIn,
  registerPrefixMetrics,
} from "../src/data-plane/scheduling/producers/prefix-index/metrics.ts";
import { ApiKeys } from "../src/data-plane/ingress/http/entry/api-keys.ts";
import { Slots } from "../src/data-plane/ingress/http/entry/slots.ts";
import { registerShadowMetrics } from "../src/gateway/shadow/metrics.ts";
import { apiKeyGaugeIn, registerHttpMetrics } from "../src/gateway/http-metrics.ts";
import { systemClock } from "../src/std/clock.ts";
import { registerProcessMetrics } from "../src/telemetry/process-metrics.ts";
import { RequestMetrics } from "../src/telemetry/request-metrics.ts";
import { aLoad } from "#test/support/builders.ts";
import { scenariosIn } from "#test/support/scenario.ts";
import { built } from "./generate/effective-documents.ts";
import { jsonSchemaOf } from "./generate/json-schema.ts";
import { rowsOf } from "./generate/parameter-rows.ts";

const configuration = readFileSync("docs/configuration.md", "utf8");
const metrics = readFileSync("docs/metrics.md", "utf8");
const errors = readFileSync("docs/errors.md", "utf8");

const builtWithoutWarning: unknown = expect.objectContaining({
  kind: "built",
  build: expect.objectContaining({ plan: expect.objectContaining({ warnings: [] }) }),
});

describe("docs/plugins.md", () => {
  const page = readFileSync("docs/plugins.md", "utf8");

  it.each(plugins.map(({ type }) => type))("has a section on %s", (type) => {
    expect(page).toMatch(new RegExp(`^### ${type}$`, "m"));
  });

  it.each([...plannedPlugins])("lists %s as not built yet", (type) => {
    expect(page).toContain(`- \`${type}\`\n`);
  });

  it("links only to sections of its own that it has", () => {
    const targets = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = ""]) => target);
    const sections = new Set([...page.matchAll(/^### (.+)$/gm)].map(([, title = ""]) => title));
    expect(targets.filter((target) => !sections.has(target))).toEqual([]);
  });

  it.each(plugins.map(({ type, params }) => ({ type, params })))(
    "says what every parameter of $type means",
    ({ params }) => {
      const silent = rowsOf(jsonSchemaOf(params)).filter(({ description }) => description === "");
      expect(silent.map(({ name }) => name)).toEqual([]);
    },
  );
});

describe("docs/configuration.md", () => {
  it.each(Object.keys(serveFlags))("lists --%s", (name) => {
    expect(configuration).toMatch(new RegExp(`^\\| \`--${name}\``, "m"));
  });

  it("mentions no flag that there is not", () => {
    const named = [...configuration.matchAll(/`--([a-z][a-z0-9-]*)/g)].map(([, name = ""]) => name);
    const aliases = Object.values(serveFlags).flatMap((flag) =>
      "aliases" in flag ? flag.aliases : [],
    );
    const known = new Set<string>([...Object.keys(serveFlags), ...aliases, "help", "output"]);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it("says what every field of a document means", () => {
    const silent = rowsOf(jsonSchemaOf(documentSchema)).filter(
      ({ description }) => description === "",
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it("shows documents that load without a warning", () => {
    const shown = documentsIn(configuration);
    expect(shown.length).toBeGreaterThan(2);
    expect(shown.map((text) => built(text))).toEqual(shown.map(() => builtWithoutWarning));
  });
});

describe("docs/how-it-decides.md", () => {
  const page = readFileSync("docs/how-it-decides.md", "utf8");

  it("shows documents that load without a warning", () => {
    const shown = documentsIn(page);
    expect(shown.length).toBeGreaterThan(2);
    expect(shown.map((text) => built(text))).toEqual(shown.map(() => builtWithoutWarning));
  });

  it("shows the scores of its example, which a scenario computes", () => {
    const example = scenariosIn("test/scenarios/expected-latency-scorer.yaml").at(-1);
    const scores = Object.values(example?.expect.scores["expected-latency-scorer"] ?? {});
    expect(scores).toHaveLength(3);
    for (const score of scores) expect(page).toContain(String(Number(score.toFixed(3))));
  });
});

describe("README.md and docs/sessions.md", () => {
  it.each(["README.md", "docs/sessions.md"])("%s shows documents that load", (file) => {
    const shown = documentsIn(readFileSync(file, "utf8"));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.map((text) => built(text))).toEqual(shown.map(() => builtWithoutWarning));
  });
});

describe("docs/compatibility.md", () => {
  const page = readFileSync("docs/compatibility.md", "utf8");
  const named = [...page.matchAll(/`((?:src|test)\/[^`]+)`/g)].map(([, file = ""]) => file);

  it.each([...new Set(named)])("names %s, which is there", (file) => {
    expect(existsSync(file)).toBe(true);
  });
});

describe("docs/metrics.md", () => {
  it.each(olderMetricNames)("lists the older name %s", (name) => {
    expect(metrics).toContain(`| \`${name}\` |`);
  });

  const registered = registeredNames();

  it.each(registered)("explains %s", (name) => {
    expect(metrics).toContain(`\`${name}\``);
  });

  it("explains no metric that there is not", () => {
    const named = [...metrics.matchAll(/`((?:llm_d_epp|pointsman|process|nodejs)_[a-z0-9_]+)`/g)];
    const names = named.map(([, name = ""]) => name).filter((name) => !name.endsWith("_"));
    expect(names.filter((name) => !registered.includes(name))).toEqual([]);
  });
});

describe("docs/errors.md", () => {
  it.each(Object.entries(ERRORS))("has the row of %s", (code, row) => {
    const reason = "droppedReason" in row ? `\`${row.droppedReason}\`` : "-";
    const retryAfter = "retryAfterSeconds" in row ? row.retryAfterSeconds : "-";
    expect(errors).toContain(
      `| \`${code}\` | ${row.httpStatus} | \`${row.type}\` | ${reason} | \`${row.anthropicType}\` | ${retryAfter} |`,
    );
    expect(errors).toMatch(new RegExp(`^## ${code}$`, "m"));
  });
});

describe("the documents", () => {
  it.each(documents())("%s links to files that are there", (file) => {
    const links = readFileSync(file, "utf8").matchAll(/\]\((?<target>[^)\s]+)\)/g);
    const missing = [...links]
      .map(({ groups }) => (groups?.["target"] ?? "").split("#", 1)[0] ?? "")
      .filter((target) => target !== "" && !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(path.join(path.dirname(file), target)));
    expect(missing).toEqual([]);
  });
});

/** The documents that a page shows. */
function documentsIn(page: string): string[] {
  return [...page.matchAll(/^```yaml\n(.*?)^```/gms)]
    .map(([, text = ""]) => text)
    .filter((text) => text.includes("kind: EndpointPickerConfig"));
}

/** Every markdown file of the checkout, but what was installed or built. */
function documents(): string[] {
  const skipped = /(?:^|\/)(?:node_modules|dist|coverage|\.git)(?:\/|$)/;
  const folders = readdirSync(".", { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !skipped.test(entry.name))
    .flatMap(({ name }) =>
      readdirSync(name, { recursive: true, encoding: "utf8" }).map((file) => path.join(name, file)),
    );
  const files = [...readdirSync("."), ...folders];
  return files.filter((file) => file.endsWith(".md") && !skipped.test(file));
}

/** What the components register when they are made, and what other source files spell out. */
function registeredNames(): string[] {
  const registry = new MetricsRegistry();
  registerProcessMetrics(registry);
  registerHttpMetrics(registry, {
    slots: new Slots({ heldMax: 1, waitingMax: 1, waitMs: 1 }, systemClock),
    bodies: { heldBytes: 0, refusedTotal: 0 },
    readersGivenUp: () => 0,
    ingress: { connections: () => Promise.resolve(0), connectionsRefusedTotal: 0 },
    engineConnections: { waiting: 0 },
    retries: { deniedTotal: 0 },
    keys: new ApiKeys([], systemClock),
  });
  apiKeyGaugeIn(registry);
  registerPoolMetrics(registry, {
    name: "",
    endpoints: () => [],
    draining: () => [],
    load: () => aLoad([]),
  });
  registerClusterMetrics(registry, {
    follows: () => [],
    election: { lease: "", isLeading: () => false },
  });
  registerPrefixMetrics(registry, () => []);
  const study = new HitStudy({ hash: () => undefined, nowMs: () => 0 });
  registerHitMetrics(registry, () => study.summary());
  const flow = { flow: () => undefined, nowMs: () => 0, onFailed: () => undefined };
  expect(new FlowMetrics({ registry, poolName: "", fairnessIdsMax: 0, ...flow })).toBeDefined();
  registerLatencyMetrics(registry, {
    models: () => [],
    endpoints: () => [],
    load: () => aLoad([]),
    nowMs: () => 0,
  });
  prefixHitMetricsIn(registry);
  registerShadowMetrics(registry, {
    tally: () => undefined,
    sampled: () => 0,
    isRefused: () => false,
    cpuMs: () => 0,
    failures: () => 0,
  });
  void [new RequestMetrics(registry), new ScrapeMetrics(registry)];
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((file) => /(?<!\.test)\.ts$/.test(file))
    .map((file) => readFileSync(path.join("src", file), "utf8"))
    .join("\n");
  const spelt = [...sources.matchAll(/name: "(pointsman_[a-z_]+)"/g)].map(([, name = ""]) => name);
  return [...new Set([...registry.names, ...spelt])].toSorted();
}
