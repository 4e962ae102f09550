import type { EngineSignals, MissingReason, MissingSignal } from "../../../../core/signals.ts";
import { loadSignalLabels } from "../../../../core/signals.ts";
import type { MetricSpec } from "../exposition/metric-spec.ts";
import type { Sample } from "../exposition/sample-line.ts";
import { type EngineMapping, foundIn, type SignalField } from "./mapping.ts";

const fields = [
  ["waitingRequests", loadSignalLabels.waitingRequests, "waiting"],
  ["runningRequests", loadSignalLabels.runningRequests, "running"],
  ["kvCacheUsedRatio", loadSignalLabels.kvCacheUsedRatio, "kvCacheUsed"],
  ["adapters", "adapters", "adapters"],
] as const satisfies readonly (readonly [keyof EngineSignals, string, SignalField])[];

/** Series of the wanted families on a page. */
export interface Page {
  readonly families: ReadonlyMap<string, readonly Sample[]>;
  /** Families that are missing because a line was malformed. */
  readonly spoilt: readonly string[];
}

/** The signals of an engine that a page does not report, each with the reason. */
export function missingSignalsOf(
  mapping: EngineMapping,
  page: Page,
  signals: EngineSignals,
): readonly MissingSignal[] {
  const missing: MissingSignal[] = [];
  for (const [key, signal, field] of fields) {
    if (signals[key] !== undefined || mapping.off?.includes(field) === true) continue;
    missing.push({ signal, ...whyMissing(mapping, field, page) });
  }
  for (const { key, spec } of mapping.attributes) {
    if (signals.attributes.has(key)) continue;
    const isThere = page.families.has(spec.family);
    const reason = isThere ? "not-a-number" : absenceOf([spec], page.spoilt);
    missing.push({ signal: key, family: textOf(spec), reason });
  }
  return missing;
}

function whyMissing(
  mapping: EngineMapping,
  field: SignalField,
  { families, spoilt }: Page,
): Omit<MissingSignal, "signal"> {
  const found = foundIn(mapping, field, families);
  const specs = (found?.by ?? mapping)[field];
  const there = specs.find(({ family }) => families.has(family)) ?? specs[0];
  const family = there === undefined ? "" : textOf(there);
  if (found === undefined) return { family, reason: absenceOf(specs, spoilt) };
  return { family, reason: senselessIn(found.series) };
}

function absenceOf(specs: readonly MetricSpec[], spoilt: readonly string[]): MissingReason {
  if (specs.length === 0) return "unmapped";
  return specs.some(({ family }) => spoilt.includes(family)) ? "malformed" : "absent";
}

/** The reason why existing values give no signal. */
function senselessIn(series: readonly Sample[]): MissingReason {
  if (series.some(({ value }) => value < 0)) return "negative";
  return series.some(({ value }) => value > 1 && Number.isFinite(value))
    ? "above-one"
    : "not-a-number";
}

function textOf({ family, labels }: MetricSpec): string {
  const conditions = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return conditions.length === 0 ? family : `${family}{${conditions.join(",")}}`;
}
