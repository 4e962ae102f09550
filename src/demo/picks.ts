import { numberOf, parseRecord, textOf } from "./json.ts";

/** The picker's log line about one request. */
export interface Pick {
  readonly path: string;
  /** `chat`, `embedding` and so on; undefined for a request without a model. */
  readonly api: string | undefined;
  readonly model: string | undefined;
  readonly isStream: boolean;
  /** `ip:port` of the endpoint; undefined for a request that the picker refused or answered itself. */
  readonly endpoint: string | undefined;
  readonly isRefused: boolean;
  /** Predicted milliseconds from the decision to the first token. */
  readonly predictedTtftMs: number | undefined;
  readonly candidates: number | undefined;
  /** Milliseconds from the request's headers to the decision. */
  readonly decidedMs: number | undefined;
  readonly durationMs: number | undefined;
}

/** Picks kept: more than a terminal shows. */
const picksMax = 100;

/** The latest requests in the picker's log, newest first. */
export class Picks {
  readonly #latest: Pick[] = [];

  get latest(): readonly Pick[] {
    return this.#latest;
  }

  /** Takes any line that the picker prints. */
  hear(line: string): void {
    const pick = pickOf(line);
    if (pick === undefined) return;
    this.#latest.unshift(pick);
    if (this.#latest.length > picksMax) this.#latest.pop();
  }
}

/** True if a line of the picker's log is about one request. */
export function isRequestLine(line: string): boolean {
  return line.includes('"msg":"request"');
}

function pickOf(line: string): Pick | undefined {
  const fields = isRequestLine(line) ? parseRecord(line) : undefined;
  if (fields === undefined) return undefined;
  return {
    path: textOf(fields["path"]) ?? "",
    api: textOf(fields["api"]),
    model: textOf(fields["model"]),
    isStream: fields["streaming"] === true,
    endpoint: textOf(fields["endpoint"]),
    isRefused: fields["refused"] !== undefined,
    predictedTtftMs: numberOf(fields["predictedTtftMs"]),
    candidates: numberOf(fields["candidates"]),
    decidedMs: numberOf(fields["decidedMs"]),
    durationMs: numberOf(fields["durationMs"]),
  };
}

export interface DecisionTimes {
  readonly decisions: number;
  /** Mean; undefined before the first decision. */
  readonly meanMs: number | undefined;
}

/** Number and mean duration of a picker's decisions, from its metrics page. */
export function decisionTimesOf(metricsPage: string): DecisionTimes {
  const family = "llm_d_epp_scheduler_e2e_duration_seconds";
  const value = (suffix: string) =>
    Number(new RegExp(`^${family}_${suffix} (\\S+)$`, "m").exec(metricsPage)?.[1] ?? 0);
  const decisions = value("count");
  return { decisions, meanMs: decisions > 0 ? (value("sum") / decisions) * 1_000 : undefined };
}
