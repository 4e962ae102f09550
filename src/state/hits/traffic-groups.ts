import type { TextSketch } from "./text-sketch.ts";
import { requestSumCount } from "./sums.ts";
import { windowMs, WindowSums } from "./window-sums.ts";

/** Groups with sums of their own. */
const groupsMax = 64;

/** Characters of a name that is kept; clients choose it. */
const nameCharactersMax = 256;

/** Interval at which room for a new group is looked for, in milliseconds. */
const dropIntervalMs = 1_000;

/** Requests of one model and tenant. */
export interface TrafficGroup {
  readonly model: string;
  readonly tenant: string;
  readonly sums: WindowSums;
  seenAtMs: number;
  /** The last prompt that was compared with the one before it. */
  lastPrompt: ComparedPrompt | undefined;
}

interface ComparedPrompt {
  readonly atMs: number;
  readonly blockTokens: number;
  /** The first blocks of its chain. */
  readonly start: Uint32Array;
  readonly sketch: TextSketch;
}

/** Requests by model and tenant: of 64 pairs, and of all others together. */
export class TrafficGroups {
  readonly #groups = new Map<string, Map<string, TrafficGroup>>();
  readonly others = groupOf("", "");
  #count = 0;
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  of(model: string, tenant: string, nowMs: number): TrafficGroup {
    const group = this.#groups.get(model)?.get(tenant) ?? this.#made(model, tenant, nowMs);
    group.seenAtMs = nowMs;
    return group;
  }

  list(): readonly TrafficGroup[] {
    const all = [this.others];
    for (const tenants of this.#groups.values()) all.push(...tenants.values());
    return all;
  }

  #made(model: string, tenant: string, nowMs: number): TrafficGroup {
    if (Math.max(model.length, tenant.length) > nameCharactersMax) return this.others;
    if (this.#count >= groupsMax) this.#dropOld(nowMs);
    if (this.#count >= groupsMax) return this.others;
    const tenants = this.#groups.get(model) ?? new Map<string, TrafficGroup>();
    const group = groupOf(model, tenant);
    this.#groups.set(model, tenants.set(tenant, group));
    this.#count += 1;
    return group;
  }

  #dropOld(nowMs: number): void {
    if (nowMs - this.#droppedAtMs < dropIntervalMs) return;
    this.#droppedAtMs = nowMs;
    for (const [model, tenants] of this.#groups) {
      for (const [tenant, { seenAtMs }] of tenants) {
        if (nowMs - seenAtMs < windowMs) continue;
        tenants.delete(tenant);
        this.#count -= 1;
      }
      if (tenants.size === 0) this.#groups.delete(model);
    }
  }
}

function groupOf(model: string, tenant: string): TrafficGroup {
  const sums = new WindowSums(requestSumCount);
  return { model, tenant, sums, seenAtMs: 0, lastPrompt: undefined };
}
