import type {
  AdapterPlace,
  CandidateRecord,
  DecisionRecord,
  LeftOutRecord,
  ProfileRecord,
  StandingName,
  TotalRecord,
} from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import { standingCodes } from "../../core/pool-snapshot.ts";
import type { DataInputs, DecisionInputs } from "./decision-inputs.ts";
import { type InputRow, inputRowNamesOf, inputRowOf } from "./decision-numbers.ts";
import { adapterPlaces, type ProducerName } from "./further-rows.ts";
import { known, type KeptDecision, type KeptRun } from "./kept-decision.ts";
import type { NumberRing } from "./number-ring.ts";
import { endpointsInSubset } from "./shared/subset.ts";

/** Some endpoints of a list, and their numbers in rows. */
interface Numbers {
  readonly endpoints: readonly Endpoint[];
  readonly numberOf: (row: number, index: number) => number | undefined;
}

/** The numbers of a decision; undefined once they were overwritten. */
interface DecisionNumbers {
  readonly inputs: Numbers;
  /** By run; the first row has the totals, and the others the scores. */
  readonly scores: readonly Numbers[];
}

/** The readable form of a kept decision. */
export function recordOf(kept: KeptDecision, ring: NumberRing): DecisionRecord {
  const numbers = numbersIn(kept, ring);
  const runs = kept.runs.slice(0, kept.runCount);
  const primary = runs[kept.primary];
  const picked = primary === undefined ? [] : pickedIn(primary);
  const scores = numbers?.scores[kept.primary];
  return {
    id: kept.id,
    requestId: kept.requestId,
    atMs: kept.atMs,
    api: kept.api,
    model: kept.model,
    targetModel: kept.targetModel,
    priority: kept.priority,
    promptTokens: kept.promptTokens,
    profile: picked.length === 0 ? undefined : primary?.profile.name,
    picked: picked.map(({ id }) => id),
    refusal: kept.refusal,
    refusalMessage: kept.refusalMessage,
    rollout: kept.rollout,
    stay: kept.stay,
    margin: primary && scores && marginOf(primary, scores),
    candidates: numbers && candidateRecordsOf(numbers.inputs, kept),
    candidateCount: kept.candidates.length,
    isWhole: kept.isWhole,
    leftOut: leftOutOf(kept),
    profiles: runs.map((run, index) => profileRecordOf(run, kept, numbers?.scores[index])),
    predicted: kept.predicted,
    actual: kept.actual,
  };
}

/** All that a kept decision depended on; undefined if its record is not complete, or no more. */
export function inputsOf(kept: KeptDecision, ring: NumberRing): DecisionInputs | undefined {
  const numbers = kept.isWhole ? numbersIn(kept, ring) : undefined;
  if (numbers === undefined) return undefined;
  const names = [...inputRowNamesOf(kept.hasPredictions), ...kept.furtherNames];
  const { endpoints, numberOf } = numbers.inputs;
  const { requestId: id, api: dialect, model, targetModel, priority } = kept;
  const { promptTokens, sessionHash } = kept;
  return {
    nowMs: kept.atMs,
    request: { id, dialect, model, targetModel, priority, promptTokens, sessionHash },
    candidates: endpoints,
    endpoints: kept.endpoints,
    rows: Object.fromEntries(
      names.map((name, row) => [
        name,
        endpoints.map((_, index) => numberOf(row, index) ?? Number.NaN),
      ]),
    ),
    data: dataOf(kept),
    recalls: Object.fromEntries(kept.recalls ?? []),
    chance: kept.chance,
  };
}

/** The rows of the first producer of a kind are those of every record, without a prefix. */
function dataOf(kept: KeptDecision): readonly DataInputs[] {
  const { producers, values, furtherNames, hasMatch, hasPredictions } = kept;
  const isFirst = ({ name, produces }: ProducerName) =>
    producers.find((each) => each.produces === produces)?.name === name;
  return producers.map((producer, index) => {
    const { name, produces } = producer;
    const isInEvery =
      isFirst(producer) &&
      ((produces === "prefix-match" && hasMatch) ||
        (produces === "latency-prediction" && hasPredictions));
    const hasOwn = furtherNames.some((row) => row.startsWith(`${name} `));
    const rows = isInEvery ? "" : hasOwn ? `${name} ` : undefined;
    return { name, produces, rows, value: values[index] };
  });
}

function numbersIn(kept: KeptDecision, ring: NumberRing): DecisionNumbers | undefined {
  if (!ring.holds(kept.position)) return undefined;
  let offset = ring.offsetOf(kept.position);
  /** Takes `rows` rows of `count` numbers, after the slots of the endpoints if these are not all of `list`. */
  const take = (list: readonly Endpoint[], count: number, rows: number): Numbers => {
    const isAll = count === list.length;
    const slots = isAll ? undefined : ring.numbers.subarray(offset, offset + count);
    const start = isAll ? offset : offset + count;
    offset = start + rows * count;
    return {
      endpoints: slots === undefined ? list : inSlots(list, slots),
      numberOf: (row, index) =>
        row < rows ? ring.numbers[start + row * count + index] : undefined,
    };
  };
  const inputs = take(kept.candidates, kept.count, kept.inputRows);
  const scores = kept.runs
    .slice(0, kept.runCount)
    .map(({ judged, count, profile }) => take(judged, count, 1 + profile.scorers.length));
  return { inputs, scores };
}

/** The endpoints in these slots, in the order of the slots. */
function inSlots(list: readonly Endpoint[], slots: Float64Array): readonly Endpoint[] {
  const bySlot = new Map(list.map((endpoint) => [endpoint.slot, endpoint]));
  return [...slots].flatMap((slot) => bySlot.get(slot) ?? []);
}

/** The endpoints that took requests and were no candidates. */
function leftOutOf({ endpoints, candidates, subset }: KeptDecision): readonly LeftOutRecord[] {
  if (endpoints.length === candidates.length) return [];
  const taken = new Set(candidates);
  const allowed = new Set(subset === undefined ? endpoints : endpointsInSubset(endpoints, subset));
  return endpoints
    .filter((endpoint) => !taken.has(endpoint))
    .map((endpoint) => ({
      endpoint: endpoint.id,
      reason: allowed.has(endpoint) ? "model" : "subset",
    }));
}

const standingNames: ReadonlyMap<number, StandingName> = new Map(
  // The keys are those of the type.
  Object.entries(standingCodes).map(([name, code]) => [code, name as StandingName]),
);

function adapterPlaceOf(place: number | undefined): AdapterPlace | undefined {
  if (place === undefined || place < 0) return undefined;
  if ((place & adapterPlaces.active) !== 0) return "active";
  return place === adapterPlaces.waiting ? "waiting" : "absent";
}

function candidateRecordsOf(
  { endpoints, numberOf }: Numbers,
  { atMs, hasPredictions, furtherNames }: KeptDecision,
): CandidateRecord[] {
  const firstFurther = inputRowNamesOf(hasPredictions).length;
  return endpoints.map(({ id }, index) => {
    const input = (row: InputRow) => known(numberOf(inputRowOf(row), index));
    const further = Object.fromEntries(
      furtherNames.map((name, row) => [name, numberOf(firstFurther + row, index) ?? Number.NaN]),
    );
    const { standingCode, adapterPlace } = further;
    const readAtMs = input("signalsAtMs");
    return {
      endpoint: id,
      waitingRequests: input("waitingRequests"),
      runningRequests: input("runningRequests"),
      kvCacheUsedRatio: input("kvCacheUsedRatio"),
      signalsAgeMs: readAtMs === undefined ? undefined : atMs - readAtMs,
      signalsTrust: input("signalsTrust"),
      inFlightRequests: input("inFlightRequests"),
      inFlightTokens: input("inFlightTokens"),
      prefixMatchedBlocks: input("matchedBlocks"),
      prefixTotalBlocks: input("totalBlocks"),
      prefixBlockTokens: input("blockTokens"),
      predictedTtftMs: input("ttftMs"),
      predictedTpotMs: input("tpotMs"),
      prefillMs: input("prefillMs"),
      ownPrefillMs: input("ownPrefillMs"),
      copyMs: input("copyMs"),
      adapterMs: input("adapterMs"),
      decodingRequests: input("decoding"),
      standing: standingCode === undefined ? undefined : standingNames.get(standingCode),
      adapter: adapterPlaceOf(adapterPlace),
      further,
    };
  });
}

function profileRecordOf(
  run: KeptRun,
  { candidates }: KeptDecision,
  scores: Numbers | undefined,
): ProfileRecord {
  const { profile } = run;
  const began = new Set(run.began);
  return {
    name: profile.name,
    unwell: candidates.filter((one) => !began.has(one)).map(({ id }) => id),
    filters: run.kept.map((left, index) => {
      const before = run.kept[index - 1] ?? run.began;
      const stays = new Set(left);
      return {
        name: profile.filters[index]?.name ?? "",
        keptCount: left.length,
        dropped: before.filter((endpoint) => !stays.has(endpoint)).map(({ id }) => id),
      };
    }),
    scorers: profile.scorers.map(({ name, weight }) => ({ name, weight })),
    totals: scores && totalRecordsOf(run, scores),
    picked: pickedIn(run).map(({ id }) => id),
  };
}

function totalRecordsOf({ profile }: KeptRun, { endpoints, numberOf }: Numbers): TotalRecord[] {
  return endpoints
    .map(({ id }, index) => ({
      endpoint: id,
      total: numberOf(0, index) ?? Number.NaN,
      scores: Object.fromEntries(
        profile.scorers.map(({ name }, row) => [name, numberOf(1 + row, index) ?? Number.NaN]),
      ),
    }))
    .toSorted((a, b) => b.total - a.total);
}

function pickedIn({ judged, picked }: KeptRun): readonly Endpoint[] {
  return picked.flatMap((index) => judged[index] ?? []);
}

/** Total of the pick minus the best other one, which is among those that are kept. */
function marginOf(
  { judged, picked: [first = -1] }: KeptRun,
  { endpoints, numberOf }: Numbers,
): number | undefined {
  const pick = judged[first];
  if (pick === undefined || endpoints.length < 2) return undefined;
  let best = Number.NEGATIVE_INFINITY;
  let own = Number.NaN;
  for (const [index, endpoint] of endpoints.entries()) {
    const total = numberOf(0, index) ?? Number.NaN;
    if (endpoint === pick) own = total;
    else best = Math.max(best, total);
  }
  return own - best;
}
