import type { DecisionsPage } from "../../admin/decisions-page.ts";
import type { Finding } from "./finding.ts";

export type ShownDecision = DecisionsPage["decisions"][number];
type ShownProfile = ShownDecision["profiles"][number];

/** Decisions in which two scorers must have had a favourite each, and the share in which these differ. */
const preferencesMin = 30;
const oppositeShareMin = 0.5;

/** The faults that the last decisions of a picker show. */
export function judgeDecisions(
  url: string,
  decisions: readonly ShownDecision[],
): readonly Finding[] {
  return [...ofModels(url, decisions), ...ofWeights(url, decisions)];
}

function ofModels(url: string, decisions: readonly ShownDecision[]): readonly Finding[] {
  const requests = new Map<string, Set<string>>();
  // A retry is a decision of its own.
  const all = new Set(decisions.map(({ requestId }) => requestId)).size;
  for (const { refusal, targetModel, requestId } of decisions) {
    if (refusal !== "model_not_found") continue;
    requests.set(targetModel, (requests.get(targetModel) ?? new Set()).add(requestId));
  }
  return [...requests].map(([model, ids]) => ({
    severity: "error",
    code: "model-not-served",
    subject: url,
    what: `no endpoint serves ${JSON.stringify(model)}; of the last ${all} requests, ${ids.size} asked for it`,
    why: "such requests get 404.",
    change:
      "load the model or adapter at an engine (docs/engines.md), or rewrite its name (modelRewrites).",
  }));
}

/** Two scorers of a profile, and the decisions in which each preferred one endpoint. */
interface Pair {
  readonly first: string;
  readonly second: string;
  /** Decisions in which both had a favourite, those in which these differ, and which of them won. */
  both: number;
  different: number;
  firstWon: number;
  secondWon: number;
}

function ofWeights(url: string, decisions: readonly ShownDecision[]): readonly Finding[] {
  const pairs = new Map<string, Pair>();
  for (const { profiles } of decisions) {
    for (const profile of profiles) countPairs(profile, pairs);
  }
  return [...pairs.values()]
    .filter(({ both, different }) => both >= preferencesMin && different / both >= oppositeShareMin)
    .map((pair) => ({
      severity: "warning",
      code: "weights-fight",
      subject: url,
      what: fightTextOf(pair),
      why: "weights add up scores of different units: one of the two has little effect, or each undoes the other.",
      change:
        "the default document, which compares milliseconds (docs/how-it-decides.md), or the weight of one of them.",
    }));
}

function fightTextOf({ first, second, both, different, firstWon, secondWon }: Pair): string {
  return (
    `${first} and ${second} preferred different endpoints in ${different} of ${both} decisions; ` +
    `the first won ${firstWon} times, the second ${secondWon}`
  );
}

function countPairs(profile: ShownProfile, pairs: Map<string, Pair>): void {
  const favourites = profile.scorers.flatMap(({ name, weight }) => {
    const endpoint = weight > 0 ? favouriteOf(name, profile) : undefined;
    return endpoint === undefined ? [] : [{ name, weight, endpoint }];
  });
  const [picked] = profile.picked;
  for (const [index, first] of favourites.entries()) {
    for (const second of favourites.slice(index + 1)) {
      const key = JSON.stringify([profile.name, first.name, second.name]);
      const pair = pairs.get(key) ?? {
        first: `${first.name} (weight ${first.weight})`,
        second: `${second.name} (weight ${second.weight})`,
        both: 0,
        different: 0,
        firstWon: 0,
        secondWon: 0,
      };
      pairs.set(key, pair);
      pair.both += 1;
      if (first.endpoint === second.endpoint) continue;
      pair.different += 1;
      if (picked === first.endpoint) pair.firstWon += 1;
      if (picked === second.endpoint) pair.secondWon += 1;
    }
  }
}

/** The endpoint with the highest score; undefined if several share it, or there is only one. */
function favouriteOf(scorer: string, { totals = [] }: ShownProfile): string | undefined {
  let best: { readonly endpoint: string; readonly score: number } | undefined;
  let isAlone = false;
  for (const { endpoint, scores } of totals) {
    const score = scores[scorer] ?? 0;
    if (best === undefined || score > best.score) {
      best = { endpoint, score };
      isAlone = true;
    } else if (score === best.score) isAlone = false;
  }
  return totals.length > 1 && isAlone ? best?.endpoint : undefined;
}
