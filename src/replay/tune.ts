import { type ProfileWeight, weightsIn, withWeights } from "../config/profile-weights.ts";
import { buildConfig } from "../gateway/build-config.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { seededRandom } from "../std/random.ts";
import { patternSearch } from "./pattern-search.ts";
import type { Replayer } from "./replay.ts";
import { gainOf, type Gain, meanComparedMs } from "./summary.ts";

/** Bounds of a weight against the one that it begins with. */
const factorMax = 1_000;
/** Factors of the first steps and of the last ones: smaller differences are within the error. */
const firstFactor = 8;
const lastFactor = 1.2;

export interface TuneOptions {
  /** The document whose weights are searched. */
  readonly document: string;
  /** The document to compare with, which has no weights. */
  readonly reference: string;
  readonly evaluationsMax: number;
  readonly onEvaluated: (evaluations: number, bestMs: number) => void;
}

/** Results of a search, on the half of the recording that it did not see. */
export interface Tuned {
  readonly document: string;
  readonly weights: readonly ProfileWeight[];
  readonly evaluations: number;
  /** Of the document as it was, of the best one, and of the reference. */
  readonly meanMs: { readonly start: number; readonly best: number; readonly reference: number };
  /** Of the best document against the one before, and of the reference against the best one. */
  readonly gain: Gain;
  readonly referenceGain: Gain;
}

/**
 * Searches weights with which the first half of a recording has the lowest mean time, and judges them by the second half.
 * Throws an error with the mistakes of the document, or if it has no two weights.
 */
export async function tune(replayer: Replayer, options: TuneOptions): Promise<Tuned> {
  const { document, evaluationsMax, onEvaluated } = options;
  const weights = scorersOf(document);
  const count = replayer.requests;
  const seen = { from: 0, to: count >> 1 };
  const unseen = { from: count >> 1, to: count };
  // Only the proportions of weights matter, so the first one stays.
  const [fixed, ...searched] = weights;
  if (fixed === undefined || searched.length === 0) {
    throw new Error("the document has no two weighted scorers in its profiles");
  }
  const textOf = (values: readonly number[]) => withWeights(document, weightsOf(values));
  const weightsOf = (values: readonly number[]): readonly ProfileWeight[] => [
    fixed,
    ...searched.map((one, index) => weighing(one, values[index] ?? one.weight)),
  ];
  const found = await patternSearch({
    numbers: searched.map(({ plugin, weight }) => {
      const start = weight > 0 ? weight : 1;
      return { name: plugin, start, min: start / factorMax, max: start * factorMax };
    }),
    loss: async (values) => meanComparedMs(await replayer.run(textOf(values), seen)),
    evaluationsMax,
    firstFactor,
    lastFactor,
    onEvaluated,
  });
  const start = await replayer.run(document, unseen);
  const best = await replayer.run(textOf(found.values), unseen);
  const reference = await replayer.run(options.reference, unseen);
  return {
    document: textOf(found.values),
    weights: weightsOf(found.values),
    evaluations: found.evaluations,
    meanMs: {
      start: meanComparedMs(start),
      best: meanComparedMs(best),
      reference: meanComparedMs(reference),
    },
    gain: gainOf(start, best),
    referenceGain: gainOf(best, reference),
  };
}

/** Two digits say enough of a weight. */
function weighing(one: ProfileWeight, weight: number): ProfileWeight {
  return { ...one, weight: Number(weight.toPrecision(2)) };
}

/** Weights of scorers; those of filters and pickers have no effect. */
function scorersOf(document: string): readonly ProfileWeight[] {
  const deps = { memory: new PluginMemory(), random: seededRandom(1), allowsTestOnly: false };
  const result = buildConfig(document, deps);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  const { profiles } = result.build.dataPlane.graph;
  return weightsIn(document).filter(({ profile, plugin }) =>
    profiles.get(profile)?.scorers.some(({ name }) => name === plugin),
  );
}
