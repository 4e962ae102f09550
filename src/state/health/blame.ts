import type { FailureOutlier } from "./outliers.ts";

/** What a client and a request did elsewhere says something for this long. */
const outcomeMs = 60_000;
/** Clients, and requests, that are remembered; the oldest give way. */
const outcomesMax = 2_048;

/** Where requests of one key went well and failed last. */
interface Outcome {
  readonly good: Places;
  readonly failed: Places;
}

/** The last place, and the last one that is another: two are enough to know of one elsewhere. */
class Places {
  #slot = -1;
  #atMs = Number.NEGATIVE_INFINITY;
  #otherAtMs = Number.NEGATIVE_INFINITY;

  note(slot: number, atMs: number): void {
    if (slot !== this.#slot) this.#otherAtMs = this.#atMs;
    this.#slot = slot;
    this.#atMs = atMs;
  }

  isElsewhere(slot: number, nowMs: number): boolean {
    return nowMs - (slot === this.#slot ? this.#otherAtMs : this.#atMs) < outcomeMs;
  }

  isAnywhere(nowMs: number): boolean {
    return nowMs - this.#atMs < outcomeMs;
  }
}

/** A failed request, as far as it says who may be to blame. */
export interface FailedRequest {
  /** Tells its client from others; undefined where nothing does. */
  readonly client: number | undefined;
  /** The same for the same request sent again; undefined where that cannot be told. */
  readonly kind: number | undefined;
}

/** The failures of one endpoint. */
interface FailedRow {
  readonly endpoint: { readonly slot: number };
  /** The last ones since the last good answer. */
  readonly failuresNow: readonly FailedRequest[];
  failuresLately(nowMs: number): readonly FailedRequest[];
}

/**
 * How clients and requests fare at other endpoints: one request can make every engine fail that gets it.
 *
 * A failure is the request's own where the same request, or all that its client sent, has failed at another endpoint
 * and went well at none. It counts against no endpoint.
 */
export class Blame {
  readonly #clients = new Map<number, Outcome>();
  readonly #kinds = new Map<number, Outcome>();

  /** Notes that a request went well. */
  succeeded(request: FailedRequest, row: FailedRow, nowMs: number): void {
    this.#note(request, "good", { slot: row.endpoint.slot, nowMs });
  }

  /** Notes that a request has failed; whether it or its client explains that. */
  isRequests(request: FailedRequest, row: FailedRow, nowMs: number): boolean {
    const { slot } = row.endpoint;
    this.#note(request, "failed", { slot, nowMs });
    const { client, kind } = request;
    return [outcomeOf(this.#kinds, kind), outcomeOf(this.#clients, client)].some(
      (outcome) =>
        outcome?.failed.isElsewhere(slot, nowMs) === true && !outcome.good.isAnywhere(nowMs),
    );
  }

  /**
   * Whether the failures of a row may all be those of one request or one client, of which nothing good is known
   * elsewhere. Very many in a row are not.
   *
   * @param hasOthers whether the pool has other clients
   */
  isOneSource(
    row: FailedRow,
    { reason, isHopeless }: FailureOutlier,
    { hasOthers, nowMs }: { readonly hasOthers: boolean; readonly nowMs: number },
  ): boolean {
    if (isHopeless) return false;
    const failures = reason === "failures" ? row.failuresNow : row.failuresLately(nowMs);
    const { slot } = row.endpoint;
    const isOne = (
      outcomes: ReadonlyMap<number, Outcome>,
      keys: readonly (number | undefined)[],
    ) => {
      const [key] = keys;
      if (key === undefined || keys.some((other) => other !== key)) return false;
      return outcomes.get(key)?.good.isElsewhere(slot, nowMs) !== true;
    };
    const kinds = failures.map(({ kind }) => kind);
    const clients = failures.map(({ client }) => client);
    return isOne(this.#kinds, kinds) || (hasOthers && isOne(this.#clients, clients));
  }

  #note(
    { client, kind }: FailedRequest,
    how: keyof Outcome,
    at: { readonly slot: number; readonly nowMs: number },
  ): void {
    for (const [outcomes, key] of [
      [this.#clients, client],
      [this.#kinds, kind],
    ] as const) {
      if (key === undefined) continue;
      const outcome = outcomes.get(key) ?? added(outcomes, key);
      outcome[how].note(at.slot, at.nowMs);
    }
  }
}

function outcomeOf(
  outcomes: ReadonlyMap<number, Outcome>,
  key: number | undefined,
): Outcome | undefined {
  return key === undefined ? undefined : outcomes.get(key);
}

function added(outcomes: Map<number, Outcome>, key: number): Outcome {
  const [oldest] = outcomes.keys();
  if (outcomes.size >= outcomesMax && oldest !== undefined) outcomes.delete(oldest);
  const outcome = { good: new Places(), failed: new Places() };
  outcomes.set(key, outcome);
  return outcome;
}
