import { defaultEngineOptions, type EngineOptions, kvBlocksOf } from "./engine-options.ts";
import { type JsonRecord, jsonTextOf } from "./json.ts";

/** Ways to make one engine fail; all off by default, all changeable while it runs. */
interface EngineFaults {
  /** The engine's port is closed: its connections are cut and new ones are refused. */
  readonly refuse: boolean;
  /** Inference requests and /health are accepted and never answered. */
  readonly hang: boolean;
  /** The connection of an inference request is reset as soon as the whole request has arrived. */
  readonly reset: boolean;
  /** Share of inference requests answered with the status `errorStatus`, 0 to 1. */
  readonly errorRatio: number;
  readonly errorStatus: number;
  /** Seconds of `Retry-After` on the errors of `errorRatio`; 0 for none. */
  readonly retryAfterSeconds: number;
  /** Share of inference requests answered with status 200 and an error in the body, 0 to 1. */
  readonly errorEventRatio: number;
  /** Share of inference requests answered with status 200 and no byte of a body, 0 to 1. */
  readonly emptyRatio: number;
  /** Streams are cut off after this many tokens; 0 for never. */
  readonly dieAfterTokens: number;
  /** /metrics repeats the content it had when this was turned on. */
  readonly staleMetrics: boolean;
  /** /metrics is accepted and never answered. */
  readonly metricsHang: boolean;
  /** /metrics answers 200 with bytes that are not metrics. */
  readonly metricsGarbage: boolean;
  /** /metrics reports an engine that never had any work. */
  readonly metricsZeros: boolean;
}

/** All settings of an engine that can be changed while it runs. */
export interface EngineSettings extends EngineOptions, EngineFaults {
  /** Tokens generated for a client that sets no limit. Default 64. */
  readonly outputTokens: number;
  /**
   * The head of a stream is sent once its request is accepted, as vLLM does; else with the first
   * token, as SGLang does. Default false.
   */
  readonly earlyHead: boolean;
  /** Series of `vllm:lora_requests_info` that /metrics keeps; vLLM's own has no bound. Default 256. */
  readonly loraSeriesMax: number;
}

const defaultEngineFaults: EngineFaults = Object.freeze({
  refuse: false,
  hang: false,
  reset: false,
  errorRatio: 0,
  errorStatus: 500,
  retryAfterSeconds: 0,
  errorEventRatio: 0,
  emptyRatio: 0,
  dieAfterTokens: 0,
  staleMetrics: false,
  metricsHang: false,
  metricsGarbage: false,
  metricsZeros: false,
});

const defaultOutputTokens = 64;
const defaultLoraSeriesMax = 256;

export const defaultEngineSettings: EngineSettings = Object.freeze({
  ...defaultEngineOptions,
  ...defaultEngineFaults,
  outputTokens: defaultOutputTokens,
  earlyHead: false,
  loraSeriesMax: defaultLoraSeriesMax,
});

type SettingName = keyof EngineSettings;

type Rule =
  | { readonly type: "boolean" }
  | { readonly type: "number" | "integer"; readonly min: number; readonly max: number };

const booleanRule: Rule = { type: "boolean" };
/** Bounds the allocations and delays that a typing error can cause. */
const countMax = 1_000_000_000;
const countRule: Rule = { type: "integer", min: 1, max: countMax };
const ratioRule: Rule = { type: "number", min: 0, max: 1 };
const durationRule: Rule = { type: "number", min: 0, max: 3_600_000 };

const rules: Readonly<Record<SettingName, Rule>> = {
  prefillTokensPerSecond: { type: "number", min: 1, max: countMax },
  stepTokensMax: countRule,
  prefillChunkTokensMax: { type: "integer", min: 0, max: countMax },
  stepBaseMs: durationRule,
  decodeMsPerSequence: durationRule,
  runningRequestsMax: countRule,
  waitingRequestsMax: countRule,
  kvCacheTokensMax: countRule,
  blockTokens: countRule,
  prefixCaching: booleanRule,
  priorityScheduling: booleanRule,
  loraSlotsMax: countRule,
  loraLoadMs: durationRule,
  slowFactor: { type: "number", min: 0.001, max: 100_000 },
  outputTokens: countRule,
  earlyHead: booleanRule,
  loraSeriesMax: countRule,
  refuse: booleanRule,
  hang: booleanRule,
  reset: booleanRule,
  errorRatio: ratioRule,
  errorStatus: { type: "integer", min: 400, max: 599 },
  retryAfterSeconds: { type: "integer", min: 0, max: 86_400 },
  errorEventRatio: ratioRule,
  emptyRatio: ratioRule,
  dieAfterTokens: { type: "integer", min: 0, max: countMax },
  staleMetrics: booleanRule,
  metricsHang: booleanRule,
  metricsGarbage: booleanRule,
  metricsZeros: booleanRule,
};

/** Memory for blocks is allocated at once, a few tens of bytes each. */
const kvBlocksMax = 10_000_000;

export type ChangedSettings =
  | { readonly kind: "changed"; readonly settings: EngineSettings }
  | {
      readonly kind: "invalid";
      /** One line that names the setting. */
      readonly message: string;
    };

/** `current` with the settings of `patch`, whose names and values are all checked. */
export function changeSettings(current: EngineSettings, patch: JsonRecord): ChangedSettings {
  for (const [name, value] of Object.entries(patch)) {
    if (!isSettingName(name)) {
      return invalid(`${name}: unknown setting; known are ${Object.keys(rules).join(", ")}`);
    }
    const problem = problemOf(rules[name], value);
    if (problem !== undefined) return invalid(`${name}: ${problem}`);
  }
  // Every value has been checked to be of its setting's type.
  const settings: EngineSettings = { ...current, ...(patch as Partial<EngineSettings>) };
  const blocks = kvBlocksOf(settings);
  if (blocks < 1 || blocks > kvBlocksMax) {
    return invalid(
      `kvCacheTokensMax: with blockTokens ${settings.blockTokens} it must make 1 to ` +
        `${kvBlocksMax} blocks, and ${settings.kvCacheTokensMax} makes ${blocks}`,
    );
  }
  return { kind: "changed", settings };
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(rules, name);
}

function invalid(message: string): ChangedSettings {
  return { kind: "invalid", message };
}

function problemOf(rule: Rule, value: unknown): string | undefined {
  const got = `got ${jsonTextOf(value)}`;
  if (rule.type === "boolean") {
    return typeof value === "boolean" ? undefined : `must be true or false, ${got}`;
  }
  const { type, min, max } = rule;
  const isTyped = type === "integer" ? Number.isInteger(value) : Number.isFinite(value);
  if (isTyped && typeof value === "number" && value >= min && value <= max) return undefined;
  return `must be ${type === "integer" ? "an integer" : "a number"} from ${min} to ${max}, ${got}`;
}
