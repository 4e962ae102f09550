import type { ShadowNumbers, ShadowPage, Spread } from "../../admin/shadow-page.ts";
import { fairnessIdOf } from "../../core/fairness-id.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { LabelSet } from "../../telemetry/label-set.ts";
import { type KnownModels, type LabelHold, LabelSets } from "../../telemetry/label-sets.ts";
import { type RowFamily, RowLayout } from "../../telemetry/row-families.ts";
import { hitBuckets, shadowFamiliesIn, ttftBuckets } from "./families.ts";

/** Reasons that are told apart: plugins have names of any number. */
const reasonsMax = 64;
/** Sets of models and tenants that clients chose; fewer than of requests, because each has four histograms. */
const setsMax = 200;

/** A comparison of two decisions about one request. */
export interface Comparison {
  readonly reason: string;
  /** Expected time to first token of the shadow's pick minus that of the pick in force; NaN if it is unknown. */
  readonly ttftMs: number;
  /** Expected cached tokens of the shadow's pick minus those of the pick in force; NaN if they are unknown. */
  readonly hitTokens: number;
}

interface TallyOptions {
  readonly known: KnownModels;
  readonly nowMs: () => number;
  readonly fairnessIdsMax: number | undefined;
}

/** Sums of comparisons, for each model and tenant, and by reason. */
export class ShadowTally {
  readonly #layout = new RowLayout();
  readonly #families = shadowFamiliesIn(this.#layout);
  readonly #sets: LabelSets;
  /** Decisions that differ. */
  readonly reasons = new Map<string, number>();

  constructor({ known, nowMs, fairnessIdsMax }: TallyOptions) {
    const bounds = { modelSetsMax: setsMax, flowSetsMax: setsMax };
    const { width } = this.#layout;
    this.#sets = new LabelSets({ width, known, nowMs, fairnessIdsMax, ...bounds });
  }

  /** Families of metrics. */
  get families(): readonly RowFamily[] {
    return Object.values(this.#families);
  }

  list(): readonly LabelSet[] {
    return this.#sets.list();
  }

  /** A request that is compared begins. */
  begin(request: InferenceRequest): LabelHold {
    return this.#sets.begin({
      model_name: request.model,
      target_model_name: request.targetModel,
      fairness_id: fairnessIdOf(request),
      priority: String(request.priority),
    });
  }

  /** It has ended: only now it is clear if its names are those of a model, so that they may be told apart. */
  ended(hold: LabelHold, comparison: Comparison, { failure, httpStatus }: RequestRecord): void {
    const set = this.#sets.end(hold, failure === undefined && httpStatus !== undefined);
    const { decisions, ttftKnown, hitsKnown } = this.#families;
    const { slower, faster, fewerHits, moreHits } = this.#families;
    const { reason, ttftMs, hitTokens } = comparison;
    const isKnown = reason === "same" || reason === "refused";
    decisions.add(set, isKnown ? reason : "other", 1);
    if (reason !== "same") this.#count(reason);
    if (Number.isFinite(ttftMs)) ttftKnown.add(set, 1);
    if (ttftMs > 0) slower.observe(set, ttftMs / 1_000);
    else if (ttftMs < 0) faster.observe(set, -ttftMs / 1_000);
    if (Number.isFinite(hitTokens)) hitsKnown.add(set, 1);
    if (hitTokens > 0) moreHits.observe(set, hitTokens);
    else if (hitTokens < 0) fewerHits.observe(set, -hitTokens);
  }

  numbers(): Pick<ShadowPage, "total" | "sets" | "reasons"> {
    const total = new LabelSet(noLabels, this.#layout.width, noPlace);
    const sets = this.list();
    for (const set of sets) total.add(set);
    return {
      total: this.#numbersOf(total),
      sets: sets
        .map((set) => this.#rowOf(set))
        .filter(({ decisions }) => decisions > 0)
        .toSorted((a, b) => b.decisions - a.decisions),
      reasons: [...this.reasons]
        .map(([reason, decisions]) => ({ reason, decisions }))
        .toSorted((a, b) => b.decisions - a.decisions),
    };
  }

  #rowOf(set: LabelSet): ShadowPage["sets"][number] {
    const { model_name, target_model_name, fairness_id, priority } = set.labels;
    const names = { model: model_name, targetModel: target_model_name, priority };
    return { ...names, fairnessId: fairness_id, ...this.#numbersOf(set) };
  }

  #count(reason: string): void {
    const isRoom = this.reasons.has(reason) || this.reasons.size < reasonsMax;
    const counted = isRoom ? reason : "other";
    this.reasons.set(counted, (this.reasons.get(counted) ?? 0) + 1);
  }

  #numbersOf(set: LabelSet): ShadowNumbers {
    const { slower, faster, fewerHits, moreHits, ...families } = this.#families;
    const [same = 0, other = 0, refused = 0] = (["same", "other", "refused"] as const).map(
      (outcome) => families.decisions.valueOf(set, outcome),
    );
    const decisions = same + other + refused;
    const [slowerMs, fasterMs] = [msOf(slower, set), msOf(faster, set)];
    const more = spreadOf(moreHits, set, hitBuckets);
    const fewer = spreadOf(fewerHits, set, hitBuckets);
    return {
      decisions,
      same,
      refused,
      agreementRatio: decisions === 0 ? null : same / decisions,
      ttftDifferenceMs: meanOf(slowerMs, fasterMs, families.ttftKnown.valueOf(set)),
      slowerMs,
      fasterMs,
      hitDifferenceTokens: meanOf(more, fewer, families.hitsKnown.valueOf(set)),
      fewerHitTokens: fewer,
      moreHitTokens: more,
    };
  }
}

const noLabels = { model_name: "", target_model_name: "", fairness_id: "", priority: "" };
const noPlace = { room: "known", isProven: true, nowMs: 0 } as const;

/** Mean of what is added and what is taken off, over `count` decisions; null without any. */
function meanOf(more: Spread | null, less: Spread | null, count: number): number | null {
  return count === 0 ? null : (sumOf(more) - sumOf(less)) / count;
}

function sumOf(spread: Spread | null): number {
  return spread === null ? 0 : spread.mean * spread.count;
}

function msOf(family: RowFamily, set: LabelSet): Spread | null {
  const seconds = spreadOf(family, set, ttftBuckets);
  if (seconds === null) return null;
  const { count, mean, p50, p90, p99 } = seconds;
  return { count, mean: mean * 1_000, p50: p50 * 1_000, p90: p90 * 1_000, p99: p99 * 1_000 };
}

/** Mean and quantiles of a histogram, by its buckets; null without values. */
function spreadOf(family: RowFamily, set: LabelSet, bounds: readonly number[]): Spread | null {
  const [series] = family.seriesOf(set);
  if (series === undefined) return null;
  const counts = series.values.subarray(series.offset, series.offset + bounds.length + 1);
  const count = counts.reduce((sum, each) => sum + each, 0);
  const sum = series.values[series.offset + bounds.length + 1] ?? 0;
  const at = (share: number) => quantileOf(counts, bounds, share * count);
  return { count, mean: sum / count, p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

/** By a straight line within the bucket, as Prometheus does it. */
function quantileOf(counts: Float64Array, bounds: readonly number[], rank: number): number {
  let before = 0;
  for (const [index, count] of counts.entries()) {
    const upper = bounds[index];
    if (upper === undefined) break;
    const lower = bounds[index - 1] ?? 0;
    if (before + count >= rank && count > 0) {
      return lower + ((upper - lower) * (rank - before)) / count;
    }
    before += count;
  }
  return bounds.at(-1) ?? 0;
}
