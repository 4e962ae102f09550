import type { Endpoint } from "../../core/endpoint.ts";
import type { CountedHits } from "../../core/hit-ladder.ts";
import type { LoadSnapshot } from "../../core/load.ts";
import { hasRole, servesStage } from "../../core/roles.ts";
import { addTo } from "./sums.ts";
import { WindowSums } from "./window-sums.ts";

const sumsOf = { lookups: 0, hits: 1 } as const;

interface Counted {
  readonly endpoint: Endpoint;
  lookups: number;
  hits: number;
  readonly sums: WindowSums;
}

/** Hits of prefix caches by the engines' own counters, over the last hour, of all traffic that reaches them. */
export class EngineCounts {
  readonly #endpoints = new Map<string, Counted>();

  /** Takes down by how much the counters of the endpoints that compute prompts have grown. */
  read(
    endpoints: readonly Endpoint[],
    load: Pick<LoadSnapshot, "prefixLookupTokens" | "prefixHitTokens">,
    nowMs: number,
  ): void {
    for (const endpoint of endpoints) {
      const lookups = load.prefixLookupTokens[endpoint.slot] ?? Number.NaN;
      const hits = load.prefixHitTokens[endpoint.slot] ?? Number.NaN;
      // The prompts of an engine that only decodes have been computed elsewhere.
      const isIdle = hasRole(endpoint) && !servesStage(endpoint, "prefill");
      if (isIdle || Number.isNaN(lookups) || Number.isNaN(hits)) continue;
      this.#grown(endpoint, { lookups, hits }, nowMs);
    }
    if (this.#endpoints.size > endpoints.length) this.#forgetOthers(endpoints);
  }

  /** By the id of the endpoint. */
  byEndpoint(nowMs: number): ReadonlyMap<string, CountedHits> {
    return new Map(
      [...this.#endpoints].map(([id, { sums }]) => [id, hitsOf(sums.total(nowMs))] as const),
    );
  }

  total(nowMs: number): CountedHits & { readonly endpoints: number } {
    const all = new Float64Array(2);
    for (const { sums } of this.#endpoints.values()) {
      const own = sums.total(nowMs);
      for (const place of Object.values(sumsOf)) addTo(all, place, own[place] ?? 0);
    }
    return { endpoints: this.#endpoints.size, ...hitsOf(all) };
  }

  #grown(
    endpoint: Endpoint,
    { lookups, hits }: Pick<Counted, "lookups" | "hits">,
    nowMs: number,
  ): void {
    const known = this.#endpoints.get(endpoint.id);
    if (known === undefined || known.endpoint !== endpoint) {
      // What it counted before is not of this time.
      const sums = known?.sums ?? new WindowSums(2);
      this.#endpoints.set(endpoint.id, { endpoint, lookups, hits, sums });
      return;
    }
    if (known.lookups === lookups && known.hits === hits) return;
    // Counters that are lower have begun again at 0.
    const isRestarted = lookups < known.lookups || hits < known.hits;
    const sums = known.sums.at(nowMs);
    addTo(sums, sumsOf.lookups, isRestarted ? lookups : lookups - known.lookups);
    addTo(sums, sumsOf.hits, isRestarted ? hits : hits - known.hits);
    known.lookups = lookups;
    known.hits = hits;
  }

  #forgetOthers(endpoints: readonly Endpoint[]): void {
    const ids = new Set(endpoints.map(({ id }) => id));
    for (const id of this.#endpoints.keys()) {
      if (!ids.has(id)) this.#endpoints.delete(id);
    }
  }
}

function hitsOf(sums: Float64Array): CountedHits {
  const lookupTokens = sums[sumsOf.lookups] ?? 0;
  const hitTokens = sums[sumsOf.hits] ?? 0;
  return {
    lookupTokens,
    hitTokens,
    ratio: lookupTokens > 0 ? hitTokens / lookupTokens : undefined,
  };
}
