import type { Decision, HeaderChange, Target } from "../core/decision.ts";
import { pickersHeaders } from "../core/headers.ts";
import type { ChangedBody } from "../core/parse-result.ts";
import type { HeaderPair, HeaderValues } from "../core/request.ts";

/** Asks the engine for an uncompressed response. */
const plainAnswer: HeaderPair = ["accept-encoding", "identity"];

interface SentHead {
  readonly fromClient: HeaderValues;
  readonly changed: ChangedBody | undefined;
  /** True if the response must not be compressed. */
  readonly isPlain: boolean;
}

/** Changes to the headers of a request, one for each target of its decision. */
export function headerChangesOf(
  { targets }: Decision,
  { fromClient, changed, isPlain }: SentHead,
): readonly [HeaderChange, ...HeaderChange[]] {
  const given = pickersHeaders.filter((name) => fromClient.get(name) !== undefined);
  const changeFor = ({ requestHeaders }: Target): HeaderChange => ({
    set: isPlain ? [...requestHeaders, plainAnswer] : requestHeaders,
    removed: [
      ...given.filter((name) => requestHeaders.every(([set]) => set !== name)),
      ...(changed?.removedHeaders ?? []),
    ],
  });
  const [first, ...others] = targets;
  return [changeFor(first), ...others.map(changeFor)];
}
