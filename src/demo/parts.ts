import type { PolicyName } from "./policies.ts";
import type { Breaking, RunPart } from "./summary.ts";
import type { Period, PeriodTally } from "./tally.ts";

interface BrokenEngine {
  readonly engine: string;
  readonly what: string;
  readonly times: { readonly brokenMs: number | undefined; readonly mendedMs: number | undefined };
}

interface Results {
  readonly tally: { sentIn(period: Period, engine: string): PeriodTally };
}

/** The run before, while and after an engine was broken; parts that did not come to pass are left out. */
export function breakingOf(
  { engine, what, times: { brokenMs, mendedMs } }: BrokenEngine,
  { roundRobin, pointsman }: Readonly<Record<PolicyName, Results>>,
): Breaking | undefined {
  if (brokenMs === undefined) return undefined;
  const part = (title: string, startMs: number, endMs: number): RunPart => {
    const ofPool = ({ tally }: Results) => tally.sentIn({ startMs, endMs }, engine);
    return { title, pools: { roundRobin: ofPool(roundRobin), pointsman: ofPool(pointsman) } };
  };
  const parts = [
    part("before", Number.NEGATIVE_INFINITY, brokenMs),
    part("while broken", brokenMs, mendedMs ?? Number.POSITIVE_INFINITY),
    ...(mendedMs === undefined ? [] : [part("afterwards", mendedMs, Number.POSITIVE_INFINITY)]),
  ];
  return { engine, what, parts };
}
