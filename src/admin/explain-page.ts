import type { DecisionRecord, UndecidedRecord } from "../core/decision-record.ts";
import { cut } from "../core/client-values.ts";
import { jsonPage, type TextPage, textPage } from "./admin-server.ts";
import { explainText, plain, queueText, wrapped } from "./explain-text.ts";
import {
  type Baseline,
  type ExplainedAt,
  type Explanation,
  explanationOf,
  refusedText,
} from "./explanation.ts";
import type { ModelsNow } from "./models-now.ts";
import { msText } from "./number-texts.ts";
import { refusalAdvice } from "./refusal-advice.ts";

/** Shortest beginning of an id that is looked for. */
const prefixLengthMin = 4;
/** Ids that begin alike that are named. */
const namedMax = 5;
/** Decisions of one request that are shown. */
const shownMax = 20;

/** Where decisions are looked up. */
export interface ExplainSource {
  readonly recordsMax: number;
  readonly lastId: number;
  last(count: number): readonly DecisionRecord[];
  ofRequest(requestId: string): readonly DecisionRecord[];
  byId(id: number): DecisionRecord | undefined;
  /** Distinct ids of requests that begin with `prefix`, at most `most`. */
  requestIds(prefix: string, most: number): readonly string[];
  readonly undecidedRequests: readonly UndecidedRecord[];
  /** The pool's models now; undefined if an endpoint lists `model`, or none lists any. */
  missingModel(model: string): ModelsNow | undefined;
  /** Picks of other policies for this decision. */
  baselinesOf(record: DecisionRecord): readonly Baseline[];
}

interface TwoClocks {
  nowMs(): number;
  wallMs(): number;
}

export interface AskedExplanation {
  /** As in the path, decoded. */
  readonly id: string;
  /** The header `accept`. */
  readonly accept: string;
}

/** The decisions about a request as JSON, or as text for people. */
export function explainPage(
  { id: asked, accept }: AskedExplanation,
  source: ExplainSource,
  clock: TwoClocks,
): TextPage {
  const { id, isText } = formOf(asked, accept);
  const found = recordsOf(id, source);
  if (typeof found === "string") return textPage(found.startsWith("several") ? 400 : 404, found);
  const nowMs = clock.nowMs();
  const offsetMs = clock.wallMs() - nowMs;
  if ("requestId" in found) {
    return isText
      ? textPage(200, undecidedText(found, nowMs))
      : jsonPage({
          requestId: found.requestId,
          decisions: [],
          undecided: { ...found, advice: undecidedAdvice(found) },
        });
  }
  const [newest] = found;
  const decisions = found.slice(0, shownMax).map((record) => {
    // Of earlier attempts, the pick says enough.
    const baselines = record === newest ? source.baselinesOf(record) : [];
    const models = source.missingModel(record.targetModel);
    return explanationOf(record, { nowMs, offsetMs, baselines, models });
  });
  if (!isText) return jsonPage({ requestId: newest?.requestId ?? id, decisions });
  return textPage(200, decisionsText(decisions));
}

/** The page about a decision that was only tried. */
export function triedPage(
  {
    record,
    accept,
    baselines,
    models,
  }: Pick<AskedExplanation, "accept"> &
    Pick<ExplainedAt, "models"> & {
      readonly record: DecisionRecord;
      readonly baselines: readonly Baseline[];
    },
  clock: TwoClocks,
): TextPage {
  const nowMs = clock.nowMs();
  const offsetMs = clock.wallMs() - nowMs;
  const explanation = explanationOf(record, { nowMs, offsetMs, baselines, models });
  if (!wantsText(accept)) return jsonPage({ dryRun: true, ...explanation });
  const first = explanation.outcome.replace(/^(sent to|refused)/, "would be $1");
  const text = explainText({ ...explanation, outcome: first });
  // It has no id, no number and no outcome.
  const lines = text.split("\n").filter((line) => !/^(request|decision|actual:) /.test(line));
  return textPage(200, `dry run: nothing was sent or counted\n${lines.join("\n")}`);
}

/** A suffix takes precedence over the header. */
function formOf(asked: string, accept: string): { readonly id: string; readonly isText: boolean } {
  if (asked.endsWith(".txt")) return { id: asked.slice(0, -4), isText: true };
  if (asked.endsWith(".json")) return { id: asked.slice(0, -5), isText: false };
  return { id: asked, isText: wantsText(accept) };
}

/** A browser asks for HTML, and people read text. */
function wantsText(accept: string): boolean {
  return /^\s*text\//i.test(accept);
}

type Found = readonly DecisionRecord[] | UndecidedRecord | string;

function recordsOf(asked: string, source: ExplainSource): Found {
  const id = cut(asked);
  const exact = ofRequest(id, source);
  if (exact !== undefined) return exact;
  const number = /^#?([1-9]\d{0,14})$/.exec(id)?.[1];
  const record = number === undefined ? undefined : source.byId(Number(number));
  if (record !== undefined) return [record];
  const ids = id.length < prefixLengthMin ? [] : idsFrom(id, source);
  const [only] = ids;
  if (only === undefined) return missingText(asked, source);
  if (ids.length === 1) return ofRequest(only, source) ?? missingText(asked, source);
  const named = ids.slice(0, namedMax).map(plain).join("\n");
  const more = ids.length > namedMax ? "\nand more" : "";
  return `several requests begin with ${plain(asked)}:\n${named}${more}\n`;
}

function ofRequest(id: string, source: ExplainSource): Exclude<Found, string> | undefined {
  const decided = source.ofRequest(id);
  if (decided.length > 0) return decided;
  return source.undecidedRequests.find(({ requestId }) => requestId === id);
}

function idsFrom(prefix: string, source: ExplainSource): readonly string[] {
  const undecided = source.undecidedRequests
    .map(({ requestId }) => requestId)
    .filter((requestId) => requestId.startsWith(prefix));
  return [...new Set([...source.requestIds(prefix, namedMax + 1), ...undecided])];
}

function missingText(asked: string, { lastId, recordsMax }: ExplainSource): string {
  const kept = Math.min(lastId, recordsMax).toLocaleString("en-US");
  return (
    `there is no decision about ${plain(cut(asked))}\n` +
    `This picker keeps its last ${recordsMax.toLocaleString("en-US")} decisions: it has ${kept} of ${lastId.toLocaleString("en-US")}.\n` +
    "The request may be older, or came before this process started. It may have gone\n" +
    "to another replica, passed without a decision, or still wait (/debug/queues).\n" +
    `An id is an x-request-id, its first ${prefixLengthMin} characters or more, or the number of\n` +
    'a decision, which the log has as "decision".\n'
  );
}

function decisionsText(decisions: readonly Explanation[]): string {
  const [newest, ...earlier] = decisions;
  if (newest === undefined) return "";
  const before = earlier.map(({ decision, outcome, actual }) => {
    const end = actual === null ? "" : `, ${actual.attempt ?? actual.end}`;
    return `  decision ${decision}: ${outcome}${end}\n`;
  });
  const list =
    before.length === 0 ? "" : `\nearlier decisions about this request\n${before.join("")}`;
  return `${explainText(newest)}${list}`;
}

function undecidedText(undecided: UndecidedRecord, nowMs: number): string {
  const { requestId, refusal, refusalMessage, end, stay, atMs, endedAtMs, model } = undecided;
  const lines = [
    `request ${plain(requestId)}, ${msText(nowMs - endedAtMs)} ago`,
    ...(model === undefined ? [] : [`model ${plain(model)}`]),
    refusal === undefined
      ? `=> ended without a decision (${end}) after ${msText(endedAtMs - atMs)}: the client left`
      : wrapped(plain(refusedText(refusal, refusalMessage)), "=> "),
    ...(stay === undefined ? [] : [queueText({ queue: stay })]),
    ...undecidedAdvice(undecided).map((step) => wrapped(`next: ${step}`)),
  ];
  return `${lines.join("\n")}\n`;
}

function undecidedAdvice({ refusal }: UndecidedRecord): readonly string[] {
  return refusal === undefined ? [] : refusalAdvice[refusal];
}
