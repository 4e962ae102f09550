import { type Random, seededRandom } from "../../src/std/random.ts";

export const model = "sim-model";

/** Different beginnings of prompts, and the share of requests that have one of them. */
const beginnings = 48;
const beginningShare = 0.6;

/** Sizes in words of about 7 bytes with their space, which the simulator takes for 1.75 tokens. */
const beginningWords = 200;
const questionWords = { min: 40, max: 160 };
const outputTokens = { min: 6, max: 18 };

const words =
  "amber bridge canal depot engine freight gravel harbor iron junction kettle lantern meadow night orchard platform quarry river signal timber".split(
    " ",
  );

/** One chat completion that is to be sent at a moment of the run. */
export interface PlannedRequest {
  /** Goes along as `x-request-id`. */
  readonly id: string;
  /** Milliseconds after the run's start. */
  readonly atMs: number;
  readonly isBurst: boolean;
  /** JSON. */
  readonly body: string;
  /** The client, as its proxy would name it; undefined if nothing tells it apart. */
  readonly client?: string;
  /** Undefined for a client that stays. */
  readonly leaves?: Leave;
}

/** Moments at which clients hang up: so many milliseconds after sending, or at the last event. */
export type Leave = { readonly afterMs: number } | "at-last-event";

export interface PlanOptions {
  readonly seed: number;
  readonly requestsPerSecond: number;
  readonly lengthMs: number;
  /** Requests on top of the others, evenly over a short time. */
  readonly burst?:
    | { readonly atMs: number; readonly lengthMs: number; readonly requests: number }
    | undefined;
}

/**
 * What a run sends, the same for the same options: requests at random moments at a steady mean
 * rate, most of them with a beginning that others have too.
 *
 * A burst comes from a random source of its own, so that the other requests are the same without it.
 */
export function planOf(options: PlanOptions): readonly PlannedRequest[] {
  const { seed, requestsPerSecond, lengthMs, burst } = options;
  const random = seededRandom(seed);
  const prompts = new Prompts(random);
  const plan: PlannedRequest[] = [];
  for (let atMs = 0; ;) {
    // Exponential gaps: requests of many independent clients.
    atMs += (-Math.log(1 - random()) / requestsPerSecond) * 1_000;
    if (atMs >= lengthMs) break;
    plan.push({ id: `r-${plan.length}`, atMs, isBurst: false, body: prompts.next(random) });
  }
  if (burst === undefined) return plan;
  const burstRandom = seededRandom(seed + 1_000_000);
  for (let index = 0; index < burst.requests; index += 1) {
    plan.push({
      id: `b-${index}`,
      atMs: burst.atMs + (index / burst.requests) * burst.lengthMs,
      isBurst: true,
      body: prompts.next(burstRandom),
    });
  }
  return plan.toSorted((a, b) => a.atMs - b.atMs);
}

class Prompts {
  readonly #beginnings: readonly string[];

  constructor(random: Random) {
    this.#beginnings = Array.from(
      { length: beginnings },
      (_, index) => `Guide ${index}: ${textOf(beginningWords, random)}`,
    );
  }

  next(random: Random): string {
    const isShared = random() < beginningShare;
    const chosen = this.#beginnings[Math.floor(random() * beginnings)] ?? "";
    const system = isShared ? chosen : textOf(beginningWords, random);
    return JSON.stringify({
      model,
      messages: [
        { role: "system", content: system },
        { role: "user", content: textOf(between(questionWords, random), random) },
      ],
      max_tokens: between(outputTokens, random),
      stream: true,
    });
  }
}

export function textOf(wordCount: number, random: Random): string {
  return Array.from(
    { length: wordCount },
    () => words[Math.floor(random() * words.length)] ?? "",
  ).join(" ");
}

export function between(
  { min, max }: { readonly min: number; readonly max: number },
  random: Random,
): number {
  return min + Math.floor(random() * (max - min + 1));
}
