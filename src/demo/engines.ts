import { hostPortOf } from "../std/host-port.ts";
import { numberOf, parseRecord, recordOf, textOf } from "./json.ts";

/** A simulated engine's true state at one moment. */
export interface EngineState {
  readonly name: string;
  /** `ip:port`, as the picker names it. */
  readonly hostPort: string;
  readonly waitingRequests: number;
  readonly runningRequests: number;
  readonly kvUsedRatio: number;
  /** Share of all prompt tokens so far that were found in the cache. */
  readonly hitRatio: number | undefined;
}

/** Reads the simulator's `GET /engines`; what is no engine is left out. */
export function enginesOf(page: string): readonly EngineState[] {
  const engines = parseRecord(page)?.["engines"];
  return Array.isArray(engines) ? engines.flatMap((engine: unknown) => engineOf(engine) ?? []) : [];
}

function engineOf(value: unknown): EngineState | undefined {
  const engine = recordOf(value);
  const snapshot = recordOf(engine?.["snapshot"]);
  const name = textOf(engine?.["name"]);
  const address = textOf(engine?.["address"]);
  const port = numberOf(engine?.["port"]);
  if (name === undefined || address === undefined || port === undefined) return undefined;
  const queriedTokens = numberOf(snapshot?.["prefixQueryTokensTotal"]) ?? 0;
  const hitTokens = numberOf(snapshot?.["prefixHitTokensTotal"]) ?? 0;
  return {
    name,
    hostPort: hostPortOf(address, port),
    waitingRequests: numberOf(snapshot?.["waitingRequests"]) ?? 0,
    runningRequests: numberOf(snapshot?.["runningRequests"]) ?? 0,
    kvUsedRatio: numberOf(snapshot?.["kvUsedRatio"]) ?? 0,
    hitRatio: queriedTokens === 0 ? undefined : hitTokens / queriedTokens,
  };
}
