import type { DataKind } from "../../core/plugin.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { ApiDialect } from "../../core/request.ts";

/**
 * All that one decision depended on besides the configuration, as plain values: it survives JSON if numbers that JSON has not
 * are written as text. There is no prompt, no header, and no name that a client has chosen but its model's.
 */
export interface DecisionInputs {
  /** Monotonic milliseconds of the decision. */
  readonly nowMs: number;
  readonly request: RequestInputs;
  /** The candidates before health and filters; numbers are in their order. */
  readonly candidates: readonly Endpoint[];
  /** All endpoints that took requests. */
  readonly endpoints: readonly Endpoint[];
  /** Numbers of each candidate by row. NaN is unknown. */
  readonly rows: Readonly<Record<string, readonly number[]>>;
  readonly data: readonly DataInputs[];
  /** Answers to what plugins asked of memories and headers. */
  readonly recalls: Readonly<Record<string, unknown>>;
  /** State of the random source before the decision; NaN if it is unknown. */
  readonly chance: number;
}

interface RequestInputs {
  readonly id: string;
  readonly dialect: ApiDialect;
  readonly model: string;
  readonly targetModel: string;
  readonly priority: number;
  readonly promptTokens: number;
  /** Hash of the name of its session; NaN if it has none. */
  readonly sessionHash: number;
}

/** Data of one producer. */
export interface DataInputs {
  readonly name: string;
  readonly produces: DataKind;
  /** Prefix of the names of its rows; undefined if its data are no rows. */
  readonly rows: string | undefined;
  /** Its data if they are no rows; undefined if it had none. */
  readonly value: unknown;
}
