import type { CandidateRecord, StandingName } from "../core/decision-record.ts";
import type { ExplainedEndpoint, Losing } from "./explanation.ts";
import { msText, percentText } from "./number-texts.ts";

type Verdict = Pick<ExplainedEndpoint, "result" | "kind" | "why">;

/** Differences of scores below this are ties. */
const tie = 1e-9;

/** The reason that an endpoint got the request, or did not. */
export function whyLost(endpoint: string, losing: Losing): Verdict {
  const { profile, inputs } = losing;
  const place = profile.picked.indexOf(endpoint);
  if (place !== -1) return pickVerdict(place, losing);
  if (profile.unwell.includes(endpoint)) return unwellVerdict(inputs.get(endpoint)?.standing);
  const filter = profile.filters.find(({ dropped }) => dropped.includes(endpoint));
  if (filter !== undefined) {
    const why = `the filter ${filter.name} dropped it; ${filter.keptCount} were left`;
    return { result: "filtered", kind: filter.name, why };
  }
  return scoredVerdict(endpoint, losing);
}

function pickVerdict(place: number, { profile, record }: Losing): Verdict {
  if (place > 0) {
    return { result: "picked", kind: "fallback", why: `fallback ${place}, if the first one fails` };
  }
  const { margin } = record;
  const isPrimary = profile.name === record.profile;
  if (profile.totals?.length === 1)
    return { result: "picked", kind: "pick", why: "no other was left" };
  if (margin === undefined || !isPrimary) {
    return { result: "picked", kind: "pick", why: "it has the best total" };
  }
  if (margin < -tie) {
    const why = "the picker drew it at random, though another has a higher total";
    return { result: "picked", kind: "pick", why };
  }
  const why =
    margin <= tie
      ? "chance decided between it and others with the same total"
      : `its total is ${margin.toPrecision(3)} above the next`;
  return { result: "picked", kind: "pick", why };
}

const standings: Readonly<Record<StandingName, string>> = {
  well: "it is not well",
  starting: "it has just started, and has its share of requests",
  trial: "its ejection is over, or connections to it failed, and it has its trial requests",
  ejected: "it is ejected",
  dead: "nothing answers at its address",
};

function unwellVerdict(standing: StandingName | undefined): Verdict {
  const why = `${standings[standing ?? "well"]}; it gets requests if no better one is left`;
  return { result: "unwell", kind: standing ?? "unwell", why };
}

function scoredVerdict(endpoint: string, { profile, inputs }: Losing): Verdict {
  const own = profile.totals?.find((each) => each.endpoint === endpoint);
  const pick = profile.totals?.find((each) => each.endpoint === profile.picked[0]);
  if (own === undefined || pick === undefined) {
    return { result: "unknown", kind: "unknown", why: "its numbers are not in the record" };
  }
  const behind = pick.total - own.total;
  if (Math.abs(behind) <= tie) {
    return { result: "scored", kind: "same total", why: "same total as the pick; chance decided" };
  }
  if (behind < 0) {
    const why = "its total is higher, but the picker draws at random";
    return { result: "scored", kind: "not drawn", why };
  }
  const lost = profile.scorers
    .map(({ name, weight }) => ({
      name,
      weight,
      own: clamped(own.scores[name]),
      pick: clamped(pick.scores[name]),
    }))
    .toSorted((a, b) => b.weight * (b.pick - b.own) - a.weight * (a.pick - a.own))[0];
  const [mine, its] = [inputs.get(endpoint), inputs.get(pick.endpoint)];
  if (lost === undefined || mine === undefined || its === undefined) {
    return { result: "scored", kind: "total", why: `its total is ${behind.toPrecision(3)} lower` };
  }
  const cause = causeOf(lost.name, mine, its);
  const scores = `${lost.name} gave it ${lost.own.toFixed(2)}, the pick ${lost.pick.toFixed(2)}`;
  return {
    result: "scored",
    kind: cause?.kind ?? lost.name,
    why: cause?.why ?? scores,
  };
}

/** As totals count scores. */
function clamped(score = 0): number {
  return Number.isNaN(score) ? 0 : Math.min(1, Math.max(0, score));
}

interface Cause {
  readonly kind: string;
  readonly why: string;
}

/** The input behind a scorer's difference; undefined for a scorer of which only the score is known. */
function causeOf(scorer: string, mine: CandidateRecord, pick: CandidateRecord): Cause | undefined {
  if (mine.prefillMs !== undefined && /latency/.test(scorer)) return costCause(mine, pick);
  const by = causes.find(({ scorers }) => scorers.test(scorer));
  return by?.of(mine, pick);
}

/** Causes of the scorers that read one input, by the default names of these scorers. */
const causes: readonly {
  readonly scorers: RegExp;
  readonly of: (mine: CandidateRecord, pick: CandidateRecord) => Cause | undefined;
}[] = [
  {
    scorers: /queue|load-aware/,
    of: (mine, pick) =>
      compared("queue", "waiting in its engine", [mine.waitingRequests, pick.waitingRequests]),
  },
  {
    scorers: /running/,
    of: (mine, pick) =>
      compared("running", "running in its engine", [mine.runningRequests, pick.runningRequests]),
  },
  {
    scorers: /active-request/,
    of: (mine, pick) =>
      compared("in flight", "in flight from this picker", [
        mine.inFlightRequests,
        pick.inFlightRequests,
      ]),
  },
  {
    scorers: /kv-cache/,
    of: ({ kvCacheUsedRatio: own }, { kvCacheUsedRatio: its }) =>
      own === undefined || its === undefined
        ? undefined
        : {
            kind: "KV cache",
            why: `${percentText(own)} of its KV cache is in use, of the pick's ${percentText(its)}`,
          },
  },
  { scorers: /prefix/, of: prefixCause },
  {
    scorers: /lora/,
    of: ({ adapter: own }, { adapter: its }) =>
      own === undefined || own === its
        ? undefined
        : {
            kind: "adapter",
            why: `the adapter is ${own} there, and ${its ?? "unknown"} at the pick`,
          },
  },
];

function compared(
  kind: string,
  what: string,
  [own, its]: readonly [number | undefined, number | undefined],
): Cause | undefined {
  if (own === undefined || its === undefined) return undefined;
  return { kind, why: `${countText(own)} ${what}, ${countText(its)} at the pick` };
}

function prefixCause(mine: CandidateRecord, pick: CandidateRecord): Cause | undefined {
  const [own, its] = [mine.prefixMatchedBlocks, pick.prefixMatchedBlocks];
  if (own === undefined || its === undefined) return undefined;
  const total = mine.prefixTotalBlocks ?? 0;
  return {
    kind: "less cached",
    why: `it holds ${own} of the prompt's ${total} blocks, the pick ${its}`,
  };
}

/** The part of the expected cost by which it is furthest behind the pick. */
function costCause(mine: CandidateRecord, pick: CandidateRecord): Cause {
  const [ahead, itsAhead] = [aheadOf(mine), aheadOf(pick)];
  const [own, its] = [mine.ownPrefillMs ?? 0, pick.ownPrefillMs ?? 0];
  const [decoding, itsDecoding] = [mine.decodingRequests ?? 0, pick.decodingRequests ?? 0];
  const parts: readonly (Cause & { readonly ms: number })[] = [
    {
      ms: ahead - itsAhead,
      kind: "prefill ahead",
      why: `${msText(ahead)} of prefill ahead of it, ${msText(itsAhead)} at the pick`,
    },
    { ms: own - its, ...ownCause(mine, pick) },
    {
      ms: (mine.copyMs ?? 0) - (pick.copyMs ?? 0),
      kind: "price of a copy",
      why: `a copy of the prefix there costs ${msText(mine.copyMs ?? 0)}, at the pick ${msText(pick.copyMs ?? 0)}`,
    },
    {
      ms: (mine.adapterMs ?? 0) - (pick.adapterMs ?? 0),
      kind: "adapter",
      why: `the wait for the adapter costs ${msText(mine.adapterMs ?? 0)}, at the pick ${msText(pick.adapterMs ?? 0)}`,
    },
    {
      ms: (decoding - itsDecoding) * neighborMs,
      kind: "decoding",
      why: `${countText(decoding)} generate there, ${countText(itsDecoding)} at the pick`,
    },
  ];
  const [first] = parts.toSorted((a, b) => b.ms - a.ms);
  if (first === undefined) return { kind: "cost", why: "it costs more" };
  return first.ms < alikeMs ? { kind: "almost the same", why: "it costs almost the same" } : first;
}

/** Differences below this are those of estimates. */
const alikeMs = 1;
/** Price of a request that generates there, at least. */
const neighborMs = 10;

function aheadOf({ prefillMs = 0, ownPrefillMs = 0 }: CandidateRecord): number {
  return Math.max(0, prefillMs - ownPrefillMs);
}

/** The prompt takes longer there because less of it is cached, or because the engine is slower. */
function ownCause(mine: CandidateRecord, pick: CandidateRecord): Cause {
  const [own, its] = [mine.ownPrefillMs ?? 0, pick.ownPrefillMs ?? 0];
  const times = `${msText(own)} to compute there, ${msText(its)} at the pick`;
  const cached = (mine.prefixMatchedBlocks ?? 0) * (mine.prefixBlockTokens ?? 0);
  const itsCached = (pick.prefixMatchedBlocks ?? 0) * (pick.prefixBlockTokens ?? 0);
  if (cached >= itsCached) {
    return { kind: "slower engine", why: `the engine is slower: the prompt takes ${times}` };
  }
  const less = countOf(itsCached - cached);
  return { kind: "less cached", why: `${less} fewer tokens are cached: ${times}` };
}

function countText(count: number): string {
  return `${countOf(count)} ${count === 1 ? "request" : "requests"}`;
}

function countOf(count: number): string {
  return Number.isInteger(count) ? count.toLocaleString("en-US") : count.toFixed(1);
}
