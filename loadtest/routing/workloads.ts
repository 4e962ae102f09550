import { readFileSync } from "node:fs";
import { type Random, seededRandom } from "../../src/std/random.ts";

/** The base model of the engines. */
export const model = "sim-model";

/** Characters of made-up text that the simulator takes for one token. */
const charactersPerToken = 4;

/** Tokens that one id of a trace stands for. */
const traceBlockTokens = 512;

interface Range {
  readonly min: number;
  readonly max: number;
}

/** What requests of one kind look like. Sizes are tokens, evenly spread. */
interface RequestKind {
  /** Share of the conversations that are of this kind. */
  readonly share: number;
  /** Prompt of the first turn beyond the beginning, and what each further turn adds. */
  readonly promptTokens: Range;
  readonly outputTokens: Range;
  /** Requests of one conversation; each carries all of those before it. */
  readonly turns: Range;
}

/** A workload as plain data. */
interface MadeWorkload {
  readonly kind: "made";
  readonly summary: string;
  /** Requests a second that eight engines take for good under a good policy. */
  readonly requestsPerSecondMax: number;
  /** LoRA adapters, each as popular as the others; 0: all requests name the base model. */
  readonly adapters: number;
  /** Beginnings that conversations share, and their size; 0 for none. */
  readonly beginnings: number;
  readonly beginningTokens: number;
  /** Milliseconds from an answer's end to the next turn. */
  readonly thinkMs: Range;
  readonly requests: readonly RequestKind[];
}

interface TraceWorkload {
  readonly kind: "trace";
  readonly summary: string;
  readonly requestsPerSecondMax: number;
}

export type Workload = MadeWorkload | TraceWorkload;

const once: Range = { min: 1, max: 1 };
const noPause: Range = { min: 0, max: 0 };

export const workloads: Readonly<Record<string, Workload>> = {
  lora: {
    kind: "made",
    summary: "16 LoRA adapters on engines with 4 slots; prompts of 300 tokens, answers of 200",
    requestsPerSecondMax: 56,
    adapters: 16,
    beginnings: 0,
    beginningTokens: 0,
    thinkMs: noPause,
    requests: [
      {
        share: 1,
        promptTokens: { min: 100, max: 500 },
        outputTokens: { min: 100, max: 300 },
        turns: once,
      },
    ],
  },
  chat: {
    kind: "made",
    summary: "conversations of 4 to 8 turns under 4 system prompts of 1,000 tokens",
    requestsPerSecondMax: 56,
    adapters: 0,
    beginnings: 4,
    beginningTokens: 1_000,
    thinkMs: { min: 2_000, max: 8_000 },
    requests: [
      {
        share: 1,
        promptTokens: { min: 100, max: 500 },
        outputTokens: { min: 50, max: 250 },
        turns: { min: 4, max: 8 },
      },
    ],
  },
  mixed: {
    kind: "made",
    summary: "90 % prompts of 200 to 2,000 tokens, 10 % of 20,000 to 50,000",
    requestsPerSecondMax: 14,
    adapters: 0,
    beginnings: 0,
    beginningTokens: 0,
    thinkMs: noPause,
    requests: [
      {
        share: 0.9,
        promptTokens: { min: 200, max: 2_000 },
        outputTokens: { min: 50, max: 250 },
        turns: once,
      },
      {
        share: 0.1,
        promptTokens: { min: 20_000, max: 50_000 },
        outputTokens: { min: 50, max: 250 },
        turns: once,
      },
    ],
  },
  trace: {
    kind: "trace",
    summary: "requests of --trace, a file as the Mooncake traces are, at --rate in the mean",
    requestsPerSecondMax: 5,
  },
};

/** One request: its body is JSON. */
export interface PlannedTurn {
  readonly body: string;
  /** Milliseconds after the end of the turn before. */
  readonly thinkMs: number;
}

/** Requests of one client, one after another. */
export interface Conversation {
  /** Milliseconds after the run's start. */
  readonly atMs: number;
  readonly turns: readonly PlannedTurn[];
}

export interface PlanOptions {
  readonly workload: Workload;
  readonly requestsPerSecond: number;
  readonly lengthMs: number;
  readonly seed: number;
  /** A trace's file. */
  readonly traceFile: string | undefined;
}

/** What a run sends, the same for the same options. */
export function planOf(options: PlanOptions): readonly Conversation[] {
  return options.workload.kind === "trace"
    ? tracePlanOf(options)
    : madePlanOf(options.workload, options);
}

export function adaptersOf(workload: Workload): readonly string[] {
  const count = workload.kind === "made" ? workload.adapters : 0;
  return Array.from({ length: count }, (_, index) => `adapter-${index}`);
}

function madePlanOf(
  workload: MadeWorkload,
  { requestsPerSecond, lengthMs, seed }: PlanOptions,
): readonly Conversation[] {
  const random = seededRandom(seed);
  const beginnings = Array.from({ length: workload.beginnings }, () =>
    textOf(workload.beginningTokens, random),
  );
  const turnsMean = workload.requests.reduce(
    (mean, { share, turns }) => mean + (share * (turns.min + turns.max)) / 2,
    0,
  );
  const plan: Conversation[] = [];
  for (let atMs = 0; ;) {
    // Exponential gaps: conversations of many independent clients.
    atMs += (-Math.log(1 - random()) / (requestsPerSecond / turnsMean)) * 1_000;
    if (atMs >= lengthMs) return plan;
    plan.push({ atMs, turns: turnsOf(workload, beginnings, random) });
  }
}

function turnsOf(
  { adapters, thinkMs, requests }: MadeWorkload,
  beginnings: readonly string[],
  random: Random,
): readonly PlannedTurn[] {
  let rest = random();
  const kind = requests.find(({ share }) => (rest -= share) < 0) ?? requests[0];
  if (kind === undefined) return [];
  const adapter = `adapter-${Math.floor(random() * adapters)}`;
  const beginning = beginnings[Math.floor(random() * beginnings.length)];
  const messages = beginning === undefined ? [] : [{ role: "system", content: beginning }];
  return Array.from({ length: between(kind.turns, random) }, () => {
    messages.push({ role: "user", content: textOf(between(kind.promptTokens, random), random) });
    const outputTokens = between(kind.outputTokens, random);
    const body = bodyOf(adapters === 0 ? model : adapter, messages, outputTokens);
    // What an engine answers is made up too; the next turn carries a text of that size.
    messages.push({ role: "assistant", content: textOf(outputTokens, random) });
    return { body, thinkMs: between(thinkMs, random) };
  });
}

interface TraceLine {
  readonly timestamp: number;
  readonly input_length: number;
  readonly output_length: number;
  readonly hash_ids: readonly number[];
}

/** A window of the trace that the seed chooses, at the rate that is asked for. */
function tracePlanOf({
  requestsPerSecond,
  lengthMs,
  seed,
  traceFile,
}: PlanOptions): readonly Conversation[] {
  if (traceFile === undefined) throw new Error("--workload trace needs --trace FILE");
  const lines = readFileSync(traceFile, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    // The format of the file is the user's word.
    .map((line) => JSON.parse(line) as TraceLine);
  const spanMs = (lines.at(-1)?.timestamp ?? 0) - (lines[0]?.timestamp ?? 0);
  const speed = requestsPerSecond / (lines.length / (spanMs / 1_000));
  const windowMs = lengthMs * speed;
  const fromMs = seededRandom(seed)() * Math.max(0, spanMs - windowMs);
  const window = lines.filter(({ timestamp }) => {
    return timestamp >= fromMs && timestamp < fromMs + windowMs;
  });
  const blocks = new Map<number, string>();
  return window.map((line) => {
    const messages = [{ role: "user", content: traceTextOf(line, blocks) }];
    const body = bodyOf(model, messages, Math.max(1, line.output_length));
    return { atMs: (line.timestamp - fromMs) / speed, turns: [{ body, thinkMs: 0 }] };
  });
}

function traceTextOf({ hash_ids, input_length }: TraceLine, blocks: Map<number, string>): string {
  const texts = hash_ids.map((id) => {
    const known = blocks.get(id) ?? textOf(traceBlockTokens, seededRandom(id));
    blocks.set(id, known);
    return known;
  });
  return texts.join("").slice(0, input_length * charactersPerToken);
}

function bodyOf(
  modelName: string,
  messages: readonly { readonly role: string; readonly content: string }[],
  outputTokens: number,
): string {
  const stream_options = { include_usage: true };
  return JSON.stringify({
    model: modelName,
    messages,
    max_tokens: outputTokens,
    stream: true,
    stream_options,
  });
}

/** A text of so many tokens that shares no beginning with another. */
function textOf(tokens: number, random: Random): string {
  const words = Array.from({ length: tokens }, () =>
    Math.floor(random() * 36 ** (charactersPerToken - 1))
      .toString(36)
      .padStart(charactersPerToken - 1, "0"),
  );
  return words.map((word) => `${word} `).join("");
}

function between({ min, max }: Range, random: Random): number {
  return min + Math.floor(random() * (max - min + 1));
}
