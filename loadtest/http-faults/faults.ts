import type { EngineSettings } from "../../src/simulator/engine-settings.ts";

/** One way in which engines fail while clients send requests. */
export interface Fault {
  readonly name: string;
  readonly settings: Partial<EngineSettings>;
  /** True if it strikes all engines, not the first one alone. */
  readonly isOfAll?: boolean;
  /** True if it strikes while requests are under way; the others begin between two requests. */
  readonly isSudden?: boolean;
}

export const faults: readonly Fault[] = [
  { name: "none", settings: {} },
  { name: "refused", settings: { refuse: true } },
  { name: "reset", settings: { reset: true } },
  { name: "hung", settings: { hang: true } },
  { name: "hung after its head", settings: { hang: true, earlyHead: true } },
  { name: "503", settings: { errorRatio: 1, errorStatus: 503 } },
  { name: "429", settings: { errorRatio: 1, errorStatus: 429 } },
  {
    name: "429 with retry-after",
    settings: { errorRatio: 1, errorStatus: 429, retryAfterSeconds: 2 },
  },
  {
    name: "503 with retry-after",
    settings: { errorRatio: 1, errorStatus: 503, retryAfterSeconds: 2 },
  },
  { name: "error in 200", settings: { errorEventRatio: 1 } },
  { name: "empty 200", settings: { emptyRatio: 1 } },
  { name: "500", settings: { errorRatio: 1, errorStatus: 500 } },
  { name: "slow", settings: { slowFactor: 200 } },
  { name: "dies mid-stream", settings: { dieAfterTokens: 3 } },
  { name: "killed under load", settings: { refuse: true }, isSudden: true },
  { name: "all 503", settings: { errorRatio: 1, errorStatus: 503 }, isOfAll: true },
  { name: "all down", settings: { refuse: true }, isOfAll: true, isSudden: true },
];

/** The settings with which engines work again. */
export const noFault: Partial<EngineSettings> = {
  refuse: false,
  reset: false,
  hang: false,
  earlyHead: false,
  errorRatio: 0,
  errorStatus: 500,
  retryAfterSeconds: 0,
  errorEventRatio: 0,
  emptyRatio: 0,
  slowFactor: 1,
  dieAfterTokens: 0,
};

/** Engines of some 35 ms per answer: 16 steps of 2 ms. */
export const engineSettings: Partial<EngineSettings> = {
  prefillTokensPerSecond: 1_000_000,
  stepBaseMs: 2,
  decodeMsPerSequence: 0,
  outputTokens: 16,
};
