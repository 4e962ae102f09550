import type { EjectionEvidence, HealthSettings } from "../../core/health-settings.ts";
import type { RequestRecord } from "../../core/request-record.ts";

/** An answer of another endpoint is far longer if it has this many times the tokens, and took this many times as long. */
const lengthFactor = 4;
const durationFactor = 2;
/** Tokens, or chunks, that an answer of no use may have: a token or an error text, and not a terse model's answer. */
const shortTokensMax = 32;
/** Share of the others' answers that may be about as short. */
const othersShortRatioMax = 1 / 16;
/** Share of the other endpoints that may answer as briefly themselves, with their answers to tell. */
const likeRatioMax = 1 / 3;
const likeAnswersMin = 4;
/** The others' short answers may be this many times their long ones, as far as they come from such endpoints. */
const likeFactor = 3;
/** Different answers of the others that a run must be compared with, and their endpoints. */
const othersAnswersMin = 8;
const othersEndpointsMin = 2;
/** Different clients of a run, unless the others have answered all of its clients. */
const clientsMin = 4;
/** Half as many are enough if the run is this many times as long. */
const longRunFactor = 4;
/** Answers count for this long. */
const answerMs = 600_000;
/** Answers of one kind that are kept, and those of one endpoint among them. */
const answersMax = 32;
const answersOfEndpointMax = 8;
/** Kinds of requests that are kept: those used last, half of them or more. */
const kindsMax = 1_024;

/** A whole answer that was no failure. */
export interface TimedAnswer {
  /** Kinds of request that it may be compared within, the most general first. */
  readonly kinds: readonly number[];
  /** Undefined if nothing identifies it. */
  readonly client: number | undefined;
  /** As the engine reports them; undefined if it does not. */
  readonly outputTokens: number | undefined;
  /** Chunks of a stream; undefined for another answer. */
  readonly chunks: number | undefined;
  readonly durationMs: number;
}

type ComparedAnswer = Omit<TimedAnswer, "kinds">;

interface KeptAnswer extends ComparedAnswer {
  readonly slot: number;
  readonly atMs: number;
}

/** The short answers of one endpoint since its last long one. */
export class ShortRun {
  inRow = 0;
  /** Longest of them, in milliseconds. */
  longestMs = 0;
  /** Answers of others that they were compared with, as many as are needed. */
  readonly others = new Set<KeptAnswer>();
  /** Clients that got them, as many as are needed. */
  readonly clients = new Set<number | undefined>();

  add({ durationMs, client }: ComparedAnswer, others: readonly KeptAnswer[]): void {
    this.inRow += 1;
    this.longestMs = Math.max(this.longestMs, durationMs);
    if (this.clients.size < clientsMin) this.clients.add(client);
    // Others than those of one endpoint must remain addable.
    for (const other of others) if (this.others.size < answersMax) this.others.add(other);
  }

  clear(): void {
    // Most answers clear a run that is empty, and clearing a set makes a new table.
    if (this.inRow === 0) return;
    this.inRow = 0;
    this.longestMs = 0;
    this.others.clear();
    this.clients.clear();
  }
}

interface ShortRow {
  readonly endpoint: { readonly slot: number };
  readonly shorts: ShortRun;
}

/**
 * Answers that are far shorter, and over far sooner, than those of the other endpoints to requests of the same kind. A
 * broken engine that answers everything with a token or two looks fast and idle, and would attract most requests.
 *
 * Requests are compared only if nothing but chance decides which endpoint gets which: see `answerKindsOf`.
 */
export class ShortAnswers {
  #kinds = new Map<number, KeptAnswer[]>();
  /** Kinds used before those of `#kinds`. Two maps in turn: taking keys out of one makes it build new tables all the time. */
  #olderKinds = new Map<number, KeptAnswer[]>();

  /** Notes an answer; true if it is far shorter than those of the others, undefined if they say nothing. */
  note(row: ShortRow, answer: TimedAnswer, nowMs: number): boolean | undefined {
    const { slot } = row.endpoint;
    const { kinds, client, outputTokens, chunks, durationMs } = answer;
    // One shape for all: copies by `...` have several, and each answer is compared with up to 32.
    const kept = { client, outputTokens, chunks, durationMs, slot, atMs: nowMs };
    const [general = [], ...closer] = kinds.map((kind) => this.#answersOf(kind));
    const isShort = this.#compare(row, kept, general);
    for (const answers of [general, ...closer]) keep(answers, kept);
    if (isShort === false) row.shorts.clear();
    return isShort;
  }

  #compare(
    { shorts }: ShortRow,
    answer: KeptAnswer,
    answers: readonly KeptAnswer[],
  ): boolean | undefined {
    let [longer, alike] = [0, 0];
    for (const other of answers) {
      if (!isOther(other, answer)) continue;
      if (isFarLonger(other, answer)) longer += 1;
      else alike += 1;
    }
    if (longer + alike === 0) return undefined;
    // Most answers end here.
    if (alike > likeFactor * longer) return false;
    const telling = withoutLike(
      answers.filter((other) => isOther(other, answer)),
      answer,
    );
    const short = telling.filter((other) => !isFarLonger(other, answer)).length;
    if (short > othersShortRatioMax * telling.length) return false;
    shorts.add(answer, telling);
    return true;
  }

  /** The answers of a kind, which is now the one used last. */
  #answersOf(kind: number): KeptAnswer[] {
    const known = this.#kinds.get(kind);
    if (known !== undefined) return known;
    const answers = this.#olderKinds.get(kind) ?? [];
    if (this.#kinds.size >= kindsMax / 2) {
      this.#olderKinds = this.#kinds;
      this.#kinds = new Map();
    }
    this.#kinds.set(kind, answers);
    return answers;
  }
}

/** The evidence of a run of short answers; undefined if it is too weak. */
export function shortRunOf(
  { shorts }: ShortRow,
  { shortAnswersInRowMax }: HealthSettings,
  endpoints: number,
): EjectionEvidence | undefined {
  const { inRow, longestMs, others, clients } = shorts;
  if (shortAnswersInRowMax === 0 || inRow < shortAnswersInRowMax) return undefined;
  const othersEndpoints = new Set([...others].map(({ slot }) => slot)).size;
  const isLong = inRow >= longRunFactor * shortAnswersInRowMax;
  if (others.size < othersAnswersMin / (isLong ? 2 : 1)) return undefined;
  if (othersEndpoints < Math.min(othersEndpointsMin, endpoints - 1)) return undefined;
  const othersClients = new Set([...others].map(({ client }) => client));
  // A session may stick to the endpoint, and have only tiny answers.
  const isAnswered = [...clients].every((client) => othersClients.has(client));
  if (clients.size < clientsMin && !isAnswered) return undefined;
  const othersShortestMs = Math.min(...[...others].map(({ durationMs }) => durationMs));
  return {
    shortAnswersInRow: inRow,
    shortAnswersInRowMax,
    longestMs,
    othersAnswers: others.size,
    othersEndpoints,
    othersShortestMs,
  };
}

/**
 * The answer as health compares it; undefined if it is no whole answer, or its length is unknown.
 *
 * @param known the kinds of its request, and its client
 */
export function wholeAnswerOf(
  record: RequestRecord,
  {
    kinds,
    client,
    isEventStream,
  }: Pick<TimedAnswer, "kinds" | "client"> & { readonly isEventStream: boolean },
): TimedAnswer | undefined {
  const { end, failure, httpStatus, usage, responseChunks, startedMs, decidedMs } = record;
  const isWhole = end === "complete" && failure === undefined && httpStatus === 200;
  const chunks = isEventStream ? responseChunks : undefined;
  if (!isWhole || kinds.length === 0 || (usage ?? chunks) === undefined) return undefined;
  const durationMs = record.endedMs - (decidedMs ?? startedMs);
  return { kinds, client, outputTokens: usage?.outputTokens, chunks, durationMs };
}

/** Without the answers of a few other endpoints that are all as short: they may be broken in the same way. */
function withoutLike(others: readonly KeptAnswer[], answer: KeptAnswer): readonly KeptAnswer[] {
  const slots = new Set(others.map(({ slot }) => slot));
  const like = [...slots].filter((of) => {
    const theirs = others.filter(({ slot }) => slot === of);
    return theirs.length >= likeAnswersMin && !theirs.some((one) => isFarLonger(one, answer));
  });
  if (like.length === 0 || like.length > likeRatioMax * slots.size) return others;
  return others.filter(({ slot }) => !like.includes(slot));
}

function isOther({ slot, atMs }: KeptAnswer, answer: KeptAnswer): boolean {
  return slot !== answer.slot && answer.atMs - atMs < answerMs;
}

function isFarLonger(other: KeptAnswer, answer: KeptAnswer): boolean {
  if (other.durationMs < durationFactor * answer.durationMs) return false;
  // An engine may send several tokens in a chunk, so tokens come first.
  const [theirs, own] =
    other.outputTokens !== undefined && answer.outputTokens !== undefined
      ? [other.outputTokens, answer.outputTokens]
      : [other.chunks, answer.chunks];
  if (theirs === undefined || own === undefined || own > shortTokensMax) return false;
  return theirs >= lengthFactor * Math.max(1, own);
}

/** Adds an answer in place of the endpoint's oldest or of the oldest if there is no more room. */
function keep(answers: KeptAnswer[], answer: KeptAnswer): void {
  let [count, oldest] = [0, 0];
  for (let index = answers.length - 1; index >= 0; index -= 1) {
    if (answers[index]?.slot !== answer.slot) continue;
    count += 1;
    oldest = index;
  }
  if (count >= answersOfEndpointMax) answers.splice(oldest, 1);
  else if (answers.length >= answersMax) answers.shift();
  answers.push(answer);
}
