import type { FailureOutlier } from "./outliers.ts";

/** Results of a client or a request at other endpoints count for this long. */
const outcomeMs = 60_000;
/** Clients, and requests, that are remembered; beyond it the oldest are dropped. */
const outcomesMax = 2_048;

/** The endpoints at which requests of one key last succeeded and failed. */
interface Outcome {
  readonly good: Places;
  readonly failed: Places;
}

/**
 * The last endpoint and the time of the last other one, which is enough to know of a result
 * elsewhere.
 */
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

/** The identity of a failed request. */
export interface FailedRequest {
  /** Identifies the client; undefined if nothing does. */
  readonly client: number | undefined;
  /** Equal for the same request sent again; undefined if it cannot be identified. */
  readonly kind: number | undefined;
}

/** The failures of one endpoint. */
interface FailedRow {
  readonly endpoint: { readonly slot: number };
  /** The last failures since the last good answer. */
  readonly failuresNow: readonly FailedRequest[];
  failuresLately(nowMs: number): readonly FailedRequest[];
}

/**
 * Results of clients and requests at other endpoints: some requests make every engine fail.
 *
 * A failure is blamed on the request if the same request, or everything its client sent, has failed
 * at another endpoint and succeeded nowhere. It counts against no endpoint.
 */
export class Blame {
  readonly #clients = new Map<number, Outcome>();
  readonly #kinds = new Map<number, Outcome>();

  /** Notes a request that succeeded. */
  succeeded(request: FailedRequest, row: FailedRow, nowMs: number): void {
    this.#note(request, "good", { slot: row.endpoint.slot, nowMs });
  }

  /** Notes a failed request; true if the request or its client is to blame. */
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
   * True if all failures of a row come from one request or one client without a success elsewhere.
   * A very long run of failures is blamed on the endpoint.
   *
   * @param hasOthers true if the pool has other clients
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
