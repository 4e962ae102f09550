import { headerTable, valueOf } from "./headers.ts";
import type { Headrooms } from "./latency-prediction.ts";
import { type Recalls, recalled } from "./recalls.ts";
import type { RequestHead } from "./request.ts";

/** Latencies that the client accepts, in milliseconds; undefined if it names none. */
export interface LatencyObjective {
  readonly ttftMs: number | undefined;
  readonly tpotMs: number | undefined;
}

/** The objective in a request's headers; a value that is not a positive number counts as none. */
export function objectiveOf({ headers }: RequestHead): LatencyObjective {
  return {
    ttftMs: positiveIn(valueOf(headers, headerTable.sloTtft)),
    tpotMs: positiveIn(valueOf(headers, headerTable.sloTpot)),
  };
}

/** The objective of the request that a decision is about. */
export function objectiveIn(context: {
  readonly request: { readonly head: RequestHead };
  readonly recalls?: Recalls | undefined;
}): LatencyObjective {
  return recalled(context, "latency objective", () => objectiveOf(context.request.head));
}

/** True if the prediction meets each part of the objective that the client named. */
export function meets({ ttftMs, tpotMs }: LatencyObjective, headrooms: Headrooms): boolean {
  if (ttftMs !== undefined && headrooms.ttftMs < 0) return false;
  return tpotMs === undefined || headrooms.tpotMs >= 0;
}

function positiveIn(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && value > 0 && Number.isFinite(value) ? value : undefined;
}
