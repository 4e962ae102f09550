import {
  builtInEngines,
  engineChooser,
} from "../../control-plane/signals/scrape/engines/engine-choice.ts";
import { EndpointEngine } from "../../control-plane/signals/scrape/engines/endpoint-engine.ts";
import { type AskOptions, jsonIn, textAt } from "./ask.ts";
import type { EngineFacts, ListedModel, MetricsFacts, ModelsFacts } from "./engine-facts.ts";
import { madeTrial } from "./trial.ts";

interface ExamineOptions extends AskOptions {
  /** Addresses at which an engine's metrics may be, the likeliest first. */
  readonly metricsUrlsOf: (endpoint: URL) => readonly URL[];
  readonly hasTrial: boolean;
}

/** Pause between two reads of metrics. */
const pauseMs = 500;
/** Reads until metrics have to show a completion: some engines update them every few seconds. */
const readsMax = 10;

/** Asks one engine everything. Never rejects. */
export async function examineEngine(endpoint: URL, options: ExamineOptions): Promise<EngineFacts> {
  const listed = await modelsAt(endpoint, options);
  const page = await firstPage(endpoint, options);
  const { models } = listed;
  const isAsked = options.hasTrial && models.kind !== "silent";
  const trial = isAsked
    ? await madeTrial({ endpoint, models }, (url, body) => textAt(url, options, body))
    : ({ kind: "not-made" } as const);
  const metrics = await metricsOf(page, { isWorked: trial.kind === "answered" }, options);
  const { clockAheadMs } = listed;
  return { endpoint: endpoint.host, models, metrics, trial, clockAheadMs };
}

async function modelsAt(
  endpoint: URL,
  options: ExamineOptions,
): Promise<{ readonly models: ModelsFacts; readonly clockAheadMs: number | undefined }> {
  const asked = await textAt(new URL("/v1/models", endpoint), options);
  if (asked.kind === "failed") {
    const { reason, tls } = asked;
    return { models: { kind: "silent", reason, tls }, clockAheadMs: undefined };
  }
  const { status, text, clockAheadMs } = asked;
  if (status !== 200) {
    return { models: { kind: "refused", reason: `status ${status}` }, clockAheadMs };
  }
  const models = modelsIn(text);
  return {
    models:
      models === undefined
        ? { kind: "refused", reason: "not a list of models" }
        : { kind: "listed", models },
    clockAheadMs,
  };
}

function modelsIn(text: string): readonly ListedModel[] | undefined {
  const list = jsonIn(text);
  if (typeof list !== "object" || list === null || !("data" in list)) return undefined;
  if (!Array.isArray(list.data)) return undefined;
  return list.data.flatMap((model: unknown) => {
    if (typeof model !== "object" || model === null) return [];
    if (!("id" in model) || typeof model.id !== "string") return [];
    const parent = "parent" in model && typeof model.parent === "string" ? model.parent : undefined;
    const max = "max_model_len" in model ? model.max_model_len : undefined;
    const contextTokensMax = typeof max === "number" ? max : undefined;
    return [{ id: model.id, parent, contextTokensMax }];
  });
}

type Page =
  | { readonly kind: "read"; readonly url: URL; readonly text: string }
  | Extract<MetricsFacts, { readonly url: string }>;

/** The first of an engine's pages that has metrics of a known engine, or what the first one said. */
async function firstPage(endpoint: URL, options: ExamineOptions): Promise<Page> {
  const pages: Page[] = [];
  for (const url of options.metricsUrlsOf(endpoint)) {
    const page = await pageAt(url, options);
    if (page.kind === "read") return page;
    pages.push(page);
  }
  return pages[0] ?? { kind: "failed", url: endpoint.href, reason: "no address" };
}

async function pageAt(url: URL, options: ExamineOptions): Promise<Page> {
  const asked = await textAt(url, options);
  if (asked.kind === "failed") return { kind: "failed", url: url.href, reason: asked.reason };
  const { status, text } = asked;
  if (status !== 200) return { kind: "failed", url: url.href, reason: `status ${status}` };
  if (readingOf(text) !== undefined) return { kind: "read", url, text };
  const known = builtInEngines.map(({ name }) => name).join(", ");
  return { kind: "unknown", url: url.href, reason: `no load signal of a known engine (${known})` };
}

/** Reads again until the page is another one, which may take a while after work. */
async function metricsOf(
  page: Page,
  { isWorked }: { readonly isWorked: boolean },
  options: ExamineOptions,
): Promise<MetricsFacts> {
  if (page.kind !== "read") return page;
  const before = ownSeriesOf(page.text);
  let { text } = page;
  for (let read = 1; read <= (isWorked ? readsMax : 2); read += 1) {
    await options.clock.sleep(pauseMs, options.signal);
    const again = await pageAt(page.url, options);
    if (again.kind !== "read") return again;
    text = again.text;
    // Its counters may follow the other series later.
    if (ownSeriesOf(text) !== before && !(isWorked && lookedUp(page.text, text) === 0)) break;
  }
  const reading = readingOf(text);
  if (reading === undefined) return { kind: "unknown", url: page.url.href, reason: "no signals" };
  const hasMoved = ownSeriesOf(text) !== before;
  return { kind: "read", ...reading, looked: lookedBetween(page.text, text), hasMoved };
}

function lookedUp(before: string, after: string): number | undefined {
  return lookedBetween(before, after)?.lookupTokens;
}

/** Growth of the counters of the prefix cache; undefined if a page has none, or they began again. */
function lookedBetween(before: string, after: string) {
  const [first, last] = [readingOf(before)?.signals, readingOf(after)?.signals];
  const lookupTokens =
    (last?.prefixLookupTokens ?? Number.NaN) - (first?.prefixLookupTokens ?? Number.NaN);
  const hitTokens = (last?.prefixHitTokens ?? Number.NaN) - (first?.prefixHitTokens ?? Number.NaN);
  return lookupTokens >= 0 && hitTokens >= 0 ? { lookupTokens, hitTokens } : undefined;
}

function readingOf(text: string) {
  const engine = new EndpointEngine(engineChooser({}), {});
  const { parser } = engine;
  parser.push(Buffer.from(text));
  const parsed = parser.finish();
  const reading = engine.read(parsed);
  if (reading === undefined) return undefined;
  return {
    engine: reading.engine,
    signals: reading.signals,
    missing: engine.missing,
    prefixCaching: cachingIn(
      (parsed.families.get("vllm:cache_config_info") ?? []).map(
        ({ labels }) => labels["enable_prefix_caching"],
      ),
    ),
  };
}

/** False if one of the engines behind the port says so; undefined if none tells. */
function cachingIn(labels: readonly (string | undefined)[]): boolean | undefined {
  const told = labels.flatMap((label) => (label === undefined ? [] : [label.toLowerCase()]));
  if (told.some((text) => text === "false" || text === "0")) return false;
  return told.some((text) => text === "true" || text === "1") ? true : undefined;
}

/** The series of the engine: those of its process and of its web server change with every read. */
function ownSeriesOf(text: string): string {
  return text
    .split("\n")
    .filter((line) => !/^(?:#|process_|python_|http_)/u.test(line))
    .join("\n");
}
