import { type Random, seededRandom } from "../../src/std/random.ts";
import { between, type Leave, model, type PlannedRequest, textOf } from "./plan.ts";

/**
 * Requests that come in the place of some short chats for a while.
 *
 * - `documents`: of one tenant, which asks about documents of 7,000 tokens, each several times.
 * - `mix`: prompts of 20,000 to 50,000 tokens, one of ten.
 * - `whole`: answers of 500 tokens without streaming.
 * - `hang-ups`: of a few clients that ask the same again and again and always hang up.
 */
export type LoadKind = "documents" | "mix" | "whole" | "hang-ups";

export interface LoadOptions {
  readonly seed: number;
  readonly requestsPerSecond: number;
  readonly lengthMs: number;
  /** Milliseconds after the start between which they come; undefined for chats alone. */
  readonly special: { readonly fromMs: number; readonly toMs: number } | undefined;
}

type Parts = Omit<PlannedRequest, "id" | "atMs" | "isBurst">;

/** Tokens of a word of `textOf`, as the simulator counts them. */
const wordTokens = 1.75;
const documents = 12;
const hangUpClients = 6;

/** What a run of this load sends, the same for the same options, at the same moments with and without the special ones. */
export function loadOf(kind: LoadKind, options: LoadOptions): readonly PlannedRequest[] {
  const { seed, requestsPerSecond, lengthMs, special } = options;
  const random = seededRandom(seed);
  const specialRandom = seededRandom(seed + 1_000_000);
  const next = makers[kind](specialRandom);
  const plan: PlannedRequest[] = [];
  for (let atMs = 0; ;) {
    atMs += (-Math.log(1 - random()) / requestsPerSecond) * 1_000;
    if (atMs >= lengthMs) return plan;
    const parts = chat(random);
    const isSpecial =
      special !== undefined &&
      atMs >= special.fromMs &&
      atMs < special.toMs &&
      specialRandom() < shares[kind];
    plan.push({
      id: `r-${plan.length}`,
      atMs,
      isBurst: false,
      ...(isSpecial ? next() : parts),
    });
  }
}

const shares: Readonly<Record<LoadKind, number>> = {
  documents: 0.05,
  mix: 0.1,
  whole: 0.3,
  "hang-ups": 0.4,
};

const makers: Readonly<Record<LoadKind, (random: Random) => () => Parts>> = {
  documents: (random) => {
    const texts = Array.from({ length: documents }, () => textOf(7_000 / wordTokens, random));
    return () => {
      const text = texts[between({ min: 0, max: documents - 1 }, random)] ?? "";
      const content = `Contract of the tenant.\n${text}\n${textOf(20, random)}`;
      return { client: "10.9.0.1", body: bodyOf(content, { max_tokens: 40, stream: true }) };
    };
  },
  mix: (random) => () => {
    const words = between({ min: 20_000 / wordTokens, max: 50_000 / wordTokens }, random);
    const content = textOf(Math.round(words), random);
    return { client: someClient(random), body: bodyOf(content, { max_tokens: 40, stream: true }) };
  },
  whole: (random) => () => {
    const content = textOf(40, random);
    return {
      client: someClient(random),
      body: bodyOf(content, { max_tokens: 500, stream: false }),
    };
  },
  "hang-ups": (random) => {
    const texts = Array.from({ length: hangUpClients }, () => textOf(200, random));
    return () => {
      const index = between({ min: 0, max: hangUpClients - 1 }, random);
      const content = `${texts[index] ?? ""} ${textOf(5, random)}`;
      const body = bodyOf(content, { max_tokens: 30, stream: true });
      return { client: `10.8.0.${index}`, leaves: leaveOf(index), body };
    };
  },
};

function chat(random: Random): Parts {
  const content = textOf(between({ min: 15, max: 150 }, random), random);
  const max_tokens = between({ min: 6, max: 30 }, random);
  return { client: someClient(random), body: bodyOf(content, { max_tokens, stream: true }) };
}

function bodyOf(content: string, rest: { readonly max_tokens: number; readonly stream: boolean }) {
  return JSON.stringify({ model, messages: [{ role: "user", content }], ...rest });
}

function someClient(random: Random): string {
  return `10.7.0.${between({ min: 1, max: 40 }, random)}`;
}

/** Each client always hangs up at the same point. */
function leaveOf(client: number): Leave {
  const kinds: readonly Leave[] = [{ afterMs: 15 }, { afterMs: 300 }, "at-last-event"];
  return kinds[client % kinds.length] ?? "at-last-event";
}
