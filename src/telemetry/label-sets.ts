import { defaultFairnessId } from "../core/fairness-id.ts";
import { toUSVString } from "node:util";
import { keyOf, LabelSet, type ModelLabels, type Room } from "./label-set.ts";

/** The value of a label whose own value has no room. */
const otherValue = "other";

/** The models that the configuration and the pool name. */
export interface KnownModels {
  has(model: string): boolean;
  /** True if a rule asks engines for `target` if a request names `model`. */
  rewrites(model: string, target: string): boolean;
}

/** The bounds that fold labels into `other`: `unproven` is for sets that no engine has confirmed yet. */
export type Bound = "models" | "flows" | "fairness-ids" | "unproven";

export interface LabelSetOptions {
  /** Numbers of each set. */
  readonly width: number;
  readonly known: KnownModels;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  /** Distinct fairness ids; 0 folds all of them, the default one too. */
  readonly fairnessIdsMax?: number | undefined;
  /** Sets with model names that clients chose. */
  readonly modelSetsMax?: number;
  /** Sets with fairness ids that clients chose. */
  readonly flowSetsMax?: number;
  readonly unprovenSetsMax?: number;
  /** Called for each request whose labels are folded because of a bound. */
  readonly onFolded?: (bound: Bound, max: number) => void;
  /** Called after sets were removed, with the remaining target models. */
  readonly onDropped?: (targets: ReadonlySet<string>) => void;
}

const defaultMax = { fairnessIds: 1_000, modelSets: 1_000, flowSets: 1_000, unprovenSets: 100 };
/** Longest label value that a client may choose, in characters. */
const labelCharactersMax = 256;
/** A set without a request for this long gives up its place if another needs it. */
const idleMs = 3_600_000;
/** Shortest time between two searches for idle sets. */
const sweepMs = 10_000;
/** Longest time after which a new set causes a search. */
const sweepDueMs = 600_000;

/** A request's hold on the set that it counts in. */
export interface LabelHold {
  readonly set: LabelSet;
  /** The labels that the request has by itself, and their key. */
  readonly own: ModelLabels;
  readonly key: string;
}

/** The caller of a set decides if a new one may be made. */
type Claim =
  /** A request that begins: its set is on trial until an engine has answered well. */
  | "begun"
  /** An engine has answered such a request well. */
  | "proven"
  /** The request was refused, or no engine answered it well. */
  | "failed";

/**
 * The sets of labels that requests are counted under, with a bound on their number.
 *
 * Clients choose models and fairness ids. A set that a client chose needs room, and keeps it only if an engine has
 * answered such a request well; the others are folded into `other`, the fairness id first, then the
 * unknown names. Models that the configuration or the pool names need no room.
 */
export class LabelSets {
  readonly #options: LabelSetOptions;
  readonly #max: Readonly<Record<Bound, number>>;
  readonly #sets = new Map<string, LabelSet>();
  readonly #taken: Record<Room, number> = { known: 0, models: 0, flows: 0 };
  /** Sets of each fairness id that clients chose. */
  readonly #fairnessIds = new Map<string, number>();
  #unproven = 0;
  #sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LabelSetOptions) {
    this.#options = options;
    this.#max = {
      models: options.modelSetsMax ?? defaultMax.modelSets,
      flows: options.flowSetsMax ?? defaultMax.flowSets,
      "fairness-ids": options.fairnessIdsMax ?? defaultMax.fairnessIds,
      unproven: options.unprovenSetsMax ?? defaultMax.unprovenSets,
    };
  }

  get size(): number {
    return this.#sets.size;
  }

  /** The sets as they are now; later changes show in each set, not in the list. */
  list(): readonly LabelSet[] {
    return [...this.#sets.values()];
  }

  /** Holds the set of a request that begins, until `end`. */
  begin(own: ModelLabels): LabelHold {
    const key = keyOf(own);
    const set = this.#sets.get(key) ?? this.#find(own, "begun");
    set.holders += 1;
    return { set, own, key };
  }

  /** Ends a hold; returns the set that has the counts of the request from now on. */
  end({ set, own, key }: LabelHold, isProof: boolean): LabelSet {
    set.holders -= 1;
    set.usedAtMs = this.#options.nowMs();
    if (set.isProven) {
      // There was no room on trial: the next such request has its own set.
      if (isProof && set.key !== key) this.#find(own, "proven");
      return set;
    }
    if (isProof) {
      set.isProven = true;
      this.#unproven -= 1;
      return set;
    }
    return set.holders > 0 ? set : this.#fold(set);
  }

  /** The set of a request that no engine got. */
  ofUnsent(own: ModelLabels): LabelSet {
    return this.#sets.get(keyOf(own)) ?? this.#find(own, "failed");
  }

  #fold(set: LabelSet): LabelSet {
    this.#drop(set);
    const into = this.#find(set.labels, "failed");
    into.add(set);
    return into;
  }

  /** The set with these labels or, if there is no room for it, with as many of them as possible. */
  #find(own: ModelLabels, claim: Claim): LabelSet {
    const labels = this.#permitted(own);
    const bounds = new Set<Bound>();
    for (const candidate of this.#candidates(labels)) {
      const set = this.#existing(candidate, claim) ?? this.#made(candidate, claim, bounds);
      if (set === undefined) continue;
      if (claim === "begun") this.#tellFolded(bounds);
      return set;
    }
    throw new Error("there is always room for the known and the other names");
  }

  #tellFolded(bounds: ReadonlySet<Bound>): void {
    for (const bound of bounds) this.#options.onFolded?.(bound, this.#max[bound]);
  }

  #existing(labels: ModelLabels, claim: Claim): LabelSet | undefined {
    const set = this.#sets.get(keyOf(labels));
    return set?.isProven === false && claim === "failed" ? undefined : set;
  }

  /** A new set, if there is room for it; else `bounds` learns of the bound that is reached. */
  #made(labels: ModelLabels, claim: Claim, bounds: Set<Bound>): LabelSet | undefined {
    const room = this.#roomOf(labels);
    if (room !== "known") {
      if (claim === "failed") return undefined;
      const bound = this.#boundReached(labels, room, claim);
      if (bound !== undefined) {
        bounds.add(bound);
        return undefined;
      }
    }
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#sweptAtMs >= sweepDueMs) this.#sweep(nowMs);
    const isProven = room === "known" || claim === "proven";
    const set = new LabelSet(labels, this.#options.width, { room, isProven, nowMs });
    this.#sets.set(set.key, set);
    this.#taken[room] += 1;
    if (!isProven) this.#unproven += 1;
    if (room === "flows") this.#countFairnessId(labels.fairness_id, 1);
    return set;
  }

  #boundReached(labels: ModelLabels, room: "models" | "flows", claim: Claim): Bound | undefined {
    if (this.#isFull(room)) return room;
    const isNewFairnessId = room === "flows" && !this.#fairnessIds.has(labels.fairness_id);
    if (isNewFairnessId && this.#hasFairnessIdsMax()) return "fairness-ids";
    return claim === "begun" && this.#unproven >= this.#max.unproven ? "unproven" : undefined;
  }

  #isFull(room: "models" | "flows"): boolean {
    const isFull = () => this.#taken[room] >= this.#max[room];
    if (isFull()) this.#sweepIfDue();
    return isFull();
  }

  #hasFairnessIdsMax(): boolean {
    const hasMax = () => this.#fairnessIds.size >= this.#max["fairness-ids"];
    if (hasMax()) this.#sweepIfDue();
    return hasMax();
  }

  #sweepIfDue(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#sweptAtMs >= sweepMs) this.#sweep(nowMs);
  }

  /** Updates the known names, and drops idle sets if a room or the fairness ids are full. */
  #sweep(nowMs: number): void {
    this.#sweptAtMs = nowMs;
    for (const set of this.#sets.values()) {
      this.#taken[set.room] -= 1;
      set.room = this.#roomOf(set.labels);
      this.#taken[set.room] += 1;
    }
    let hasDropped = false;
    for (const set of this.#sets.values()) {
      const isIdle = set.holders === 0 && nowMs - set.usedAtMs >= idleMs;
      if (!isIdle || !this.#isWanted(set.room)) continue;
      this.#drop(set);
      hasDropped = true;
    }
    if (!hasDropped) return;
    const targets = [...this.#sets.values()].map(({ labels }) => labels.target_model_name);
    this.#options.onDropped?.(new Set(targets));
  }

  #isWanted(room: Room): boolean {
    if (room === "known") return false;
    if (this.#taken[room] >= this.#max[room]) return true;
    return room === "flows" && this.#fairnessIds.size >= this.#max["fairness-ids"];
  }

  #drop(set: LabelSet): void {
    set.isGone = true;
    this.#sets.delete(set.key);
    this.#taken[set.room] -= 1;
    if (!set.isProven) this.#unproven -= 1;
    const { fairness_id: fairnessId } = set.labels;
    if (!this.#isOurFairnessId(fairnessId)) this.#countFairnessId(fairnessId, -1);
  }

  #countFairnessId(fairnessId: string, change: 1 | -1): void {
    const sets = (this.#fairnessIds.get(fairnessId) ?? 0) + change;
    if (sets === 0) this.#fairnessIds.delete(fairnessId);
    else this.#fairnessIds.set(fairnessId, sets);
  }

  /** Labels that can be written: two names must not become one on the page. */
  #permitted(own: ModelLabels): ModelLabels {
    const { fairness_id: fairnessId } = own;
    const isCut = fairnessId.length > labelCharactersMax || this.#max["fairness-ids"] === 0;
    return {
      model_name: toUSVString(own.model_name),
      target_model_name: toUSVString(own.target_model_name),
      fairness_id: isCut ? otherValue : toUSVString(fairnessId),
      priority: own.priority,
    };
  }

  /** Labels to try in turn; there is always room for the last ones. */
  *#candidates(labels: ModelLabels): Iterable<ModelLabels> {
    const { model_name: model, target_model_name: target } = labels;
    const isLong = [model, target].some(
      (name) => name.length > labelCharactersMax && !this.#isKnown(name),
    );
    const fairness_id = this.#isOurFairnessId(labels.fairness_id) ? labels.fairness_id : otherValue;
    if (!isLong) {
      yield labels;
      if (fairness_id !== labels.fairness_id) yield { ...labels, fairness_id };
    }
    const model_name = this.#isKnown(model) ? model : otherValue;
    const target_model_name = this.#isKnown(target) ? target : otherValue;
    yield { ...labels, model_name, target_model_name, fairness_id };
    // Both names are known, but no rule joins them.
    yield { ...labels, model_name, target_model_name: otherValue, fairness_id };
  }

  #roomOf(labels: ModelLabels): Room {
    if (!this.#isOurFairnessId(labels.fairness_id)) return "flows";
    return this.#belongTogether(labels) ? "known" : "models";
  }

  /** True if both names are known and it is the configuration that joins them: such pairs are few. */
  #belongTogether({ model_name: model, target_model_name: target }: ModelLabels): boolean {
    if (!this.#isKnown(model) || !this.#isKnown(target)) return false;
    if (model === target || model === otherValue || target === otherValue) return true;
    return this.#options.known.rewrites(model, target);
  }

  #isKnown(model: string): boolean {
    return model === otherValue || model === "" || this.#options.known.has(model);
  }

  #isOurFairnessId(fairnessId: string): boolean {
    return fairnessId === otherValue || fairnessId === defaultFairnessId;
  }
}
