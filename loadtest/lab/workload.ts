import { readFileSync } from "node:fs";
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { segmentTokensMax } from "../../src/replay/lab/prompt-tree.ts";

/** Bounds of one workload. */
const turnsMax = 1_000;
const beginningsMax = 100_000;
const adaptersMax = 1_000;
const kindsMax = 20;

/** A number, or an even spread between two. */
const range = (max: number, min = 0) =>
  z
    .union([
      z.number().min(min).max(max),
      z.strictObject({ min: z.number().min(min).max(max), max: z.number().min(min).max(max) }),
    ])
    .transform((given) => (typeof given === "number" ? { min: given, max: given } : given))
    .refine((given) => given.min <= given.max, { message: "min must not be above max" });

const tokens = (min: number) => range(segmentTokensMax, min);

const kind = z.strictObject({
  /** Share of the conversations that are of this kind. */
  share: z.number().positive().max(1).default(1),
  /** What each turn adds to the prompt beyond the beginning. */
  promptTokens: tokens(1),
  /** The same for the first turn, where it differs. */
  firstPromptTokens: tokens(1).optional(),
  outputTokens: tokens(1),
  /** Requests of a conversation; each carries all of those before it and their answers. */
  turns: range(turnsMax, 1).default({ min: 1, max: 1 }),
  /** The objective that the request names in its header. */
  objective: z.string().min(1).optional(),
});

const common = {
  summary: z.string().min(1),
  /** Seconds at the start of a run that do not count: conversations need time to grow. */
  warmUpS: z.number().min(0).max(3_600).default(10),
};

const made = z.strictObject({
  ...common,
  /** A second, for eight engines: the rate at which a good policy saturates. */
  rate: z.number().positive().max(10_000),
  /** The unit of `rate`. */
  rateOf: z.enum(["requests", "conversations"]).default("requests"),
  /** Exponential gaps; with bursts, `factor` times the rate of the rest for `burstS` of every `everyS`. */
  bursts: z
    .strictObject({
      factor: z.number().min(1).max(100),
      burstS: z.number().positive().max(3_600),
      everyS: z.number().positive().max(3_600),
    })
    .refine((given) => given.burstS < given.everyS, { message: "burstS must be below everyS" })
    .optional(),
  /** LoRA adapters; popularity falls with rank to the power of -`zipf`. */
  adapters: z
    .strictObject({
      count: z.int().min(1).max(adaptersMax),
      zipf: z.number().min(0).max(5).default(0),
    })
    .optional(),
  /** Beginnings that conversations share. */
  beginnings: z
    .strictObject({
      count: z.int().min(1).max(beginningsMax),
      tokens: tokens(1),
      zipf: z.number().min(0).max(5).default(0),
    })
    .optional(),
  /** Whether clients send a key of their conversation. */
  hasSessionKey: z.boolean().default(false),
  /** Seconds from the end of an answer to the next turn. */
  thinkS: range(3_600).default({ min: 0, max: 0 }),
  kinds: z.array(kind).min(1).max(kindsMax),
});

const trace = z.strictObject({
  ...common,
  /** The format of the file that --trace names. */
  trace: z.literal("mooncake"),
  /** Times the speed of the trace, for eight engines, at which a good policy saturates. */
  speed: z.number().positive().max(100),
});

export type MadeWorkload = z.infer<typeof made> & { readonly name: string };
export type TraceWorkload = z.infer<typeof trace> & { readonly name: string };
export type Workload = MadeWorkload | TraceWorkload;
export type Range = z.infer<ReturnType<typeof range>>;
export type RequestKind = MadeWorkload["kinds"][number];

/** Reads a workload; throws an error with one readable line for each mistake. */
export function parseWorkload(name: string, text: string): Workload {
  const document = documentIn(name, text);
  // Each form has its own mistakes, so the form is chosen before it is checked.
  const isTrace = typeof document === "object" && document !== null && "trace" in document;
  const result = (isTrace ? trace : made).safeParse(document);
  if (result.success) return checked({ ...result.data, name });
  const lines = result.error.issues.map(
    ({ path, message }) => `${name}: ${path.length === 0 ? "" : `${pathOf(path)}: `}${message}`,
  );
  throw new Error(lines.join("\n"));
}

export function readWorkload(name: string, file: URL | string): Workload {
  return parseWorkload(name, readFileSync(file, "utf8"));
}

function documentIn(name: string, text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    if (cause instanceof YAMLParseError) throw new Error(`${name}: ${cause.message}`, { cause });
    throw cause;
  }
}

function checked(workload: Workload): Workload {
  if ("trace" in workload) return workload;
  const shares = workload.kinds.reduce((sum, { share }) => sum + share, 0);
  if (Math.abs(shares - 1) < 1e-6) return workload;
  throw new Error(`${workload.name}: kinds: the shares must add up to 1, not ${shares}`);
}

function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${String(part)}`,
    )
    .join("");
}
