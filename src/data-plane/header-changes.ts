import type { Decision, HeaderChange, Target } from "../core/decision.ts";
import { pickersHeaders } from "../core/headers.ts";
import type { ChangedBody } from "../core/parse-result.ts";
import type { AttemptTrace } from "../core/request-trace.ts";
import type { HeaderPair, HeaderValues } from "../core/request.ts";

/** Asks the engine for an uncompressed response. */
const plainAnswer: HeaderPair = ["accept-encoding", "identity"];

interface SentHead {
  readonly fromClient: HeaderValues;
  readonly changed: ChangedBody | undefined;
  /** True if the response must not be compressed. */
  readonly isPlain: boolean;
  /** Undefined if the request is not sampled: its trace headers pass unchanged. */
  readonly traced: Pick<AttemptTrace, "set" | "removed"> | undefined;
}

/** Changes to the headers of a request, one for each target of its decision. */
export function headerChangesOf(
  { targets }: Decision,
  { fromClient, changed, isPlain, traced }: SentHead,
): readonly [HeaderChange, ...HeaderChange[]] {
  const more = isPlain ? [plainAnswer, ...(traced?.set ?? [])] : (traced?.set ?? []);
  const given = pickersHeaders.filter((name) => fromClient.get(name) !== undefined);
  const changeFor = ({ requestHeaders }: Target): HeaderChange => ({
    set: isPlain || traced !== undefined ? [...requestHeaders, ...more] : requestHeaders,
    removed: [
      ...given.filter((name) => requestHeaders.every(([set]) => set !== name)),
      ...(changed?.removedHeaders ?? []),
      ...(traced?.removed ?? []),
    ],
  });
  const [first, ...others] = targets;
  return [changeFor(first), ...others.map(changeFor)];
}
