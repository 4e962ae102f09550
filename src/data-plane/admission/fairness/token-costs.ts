import { z } from "zod";
import type { RequestFollower } from "../../../core/request-follower.ts";
import type { TokenUsage } from "../../../core/usage.ts";

const weight = z.number().positive();

/** Parameters of policies that share tokens by weight. */
export const tokenCostParams = {
  weights: z.record(z.string().min(1), weight).default({}).meta({
    description: "Weights of fairness ids: one of 2 gets twice the tokens of one of 1.",
  }),
  defaultWeight: weight.default(1).meta({ description: "Weight of all other fairness ids." }),
  promptTokenCost: z.number().min(0).default(1).meta({
    description: "Cost of a prompt token that is not cached.",
  }),
  outputTokenCost: z.number().min(0).default(2).meta({
    description: "Cost of an output token.",
    tune: "Raise it if long answers are what loads the engines.",
  }),
};

interface TokenCostOptions {
  readonly weights: Readonly<Record<string, number>>;
  readonly defaultWeight: number;
  readonly promptTokenCost: number;
  readonly outputTokenCost: number;
}

/** The costs of requests, divided by the weights of their flows. */
export class TokenCosts {
  readonly #options: TokenCostOptions;
  readonly #weights: ReadonlyMap<string, number>;

  constructor(options: TokenCostOptions) {
    this.#options = options;
    this.#weights = new Map(Object.entries(options.weights));
  }

  /** The cost of a request when it is sent: its output is not known yet. */
  atStart(fairnessId: string, promptTokens: number): number {
    return (promptTokens * this.#options.promptTokenCost) / this.#weightOf(fairnessId);
  }

  /** The cost of a request that has ended. */
  atEnd(fairnessId: string, { promptTokens, outputTokens, cachedTokens = 0 }: TokenUsage): number {
    const { promptTokenCost, outputTokenCost } = this.#options;
    const prompt = (promptTokens - cachedTokens) * promptTokenCost;
    return (prompt + outputTokens * outputTokenCost) / this.#weightOf(fairnessId);
  }

  /** Calls `correct` with the cost of a request beyond its charge; without usage, the charge stays. */
  follower(
    fairnessId: string,
    charged: number,
    correct: (tokens: number) => void,
  ): RequestFollower {
    return {
      ended: ({ usage }) => {
        if (usage !== undefined) correct(this.atEnd(fairnessId, usage) - charged);
      },
    };
  }

  #weightOf(fairnessId: string): number {
    return this.#weights.get(fairnessId) ?? this.#options.defaultWeight;
  }
}
