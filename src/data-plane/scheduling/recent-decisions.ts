import type { ActualRecord } from "../../core/decision-record.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { AnswerSums, DecisionLine, RecentDecisions } from "../../core/recent-decisions.ts";
import type { KeptDecision } from "./kept-decision.ts";

/** Decisions whose answers are summed: enough to compare endpoints, and few enough to read each time. */
const summedMax = 1_000;

/** Reads the kept decisions, newest first: `linesMax` of them in lines, and 1,000 in sums. */
export function recentDecisionsOf(kept: Iterable<KeptDecision>, linesMax: number): RecentDecisions {
  const lines: DecisionLine[] = [];
  const answers = new Map<string, Sums>();
  let count = 0;
  let read = 0;
  for (const decision of kept) {
    read += 1;
    if (read > summedMax) break;
    count = Math.max(count, decision.id);
    const { actual } = decision;
    const picked = pickedIn(decision);
    if (lines.length < linesMax) lines.push(lineOf(decision, picked, actual));
    const hostPort = actual?.servedBy ?? picked?.hostPort;
    if (actual !== undefined && hostPort !== undefined) {
      const sums = answers.get(hostPort) ?? new Sums();
      answers.set(hostPort, sums);
      sums.add(actual);
    }
  }
  return { count, lines, answers };
}

class Sums implements AnswerSums {
  answers = 0;
  promptTokens = 0;
  cachedTokens = 0;
  ttftCount = 0;
  ttftMs = 0;

  add({ cachedTokens, promptTokens, ttftMs, attempt, end }: ActualRecord): void {
    if (attempt !== undefined) return;
    // Of an answer that was broken off, the end with the usage is missing.
    if (end === "complete") this.answers += 1;
    if (cachedTokens !== undefined && promptTokens !== undefined) {
      this.cachedTokens += cachedTokens;
      this.promptTokens += promptTokens;
    }
    if (ttftMs !== undefined) {
      this.ttftCount += 1;
      this.ttftMs += ttftMs;
    }
  }
}

/** The endpoint that got the request: the first one of the run whose choice counts. */
function pickedIn({ runs, primary }: KeptDecision): Endpoint | undefined {
  const run = primary < 0 ? undefined : runs[primary];
  return run?.judged[run.picked[0] ?? -1];
}

function lineOf(
  kept: KeptDecision,
  picked: Endpoint | undefined,
  actual: ActualRecord | undefined,
): DecisionLine {
  const { id, requestId, atMs, model, priority, promptTokens, candidates, predicted } = kept;
  return {
    id,
    requestId,
    atMs,
    model,
    priority,
    promptTokens,
    candidates: candidates.length,
    picked: picked?.id,
    predicted,
    actual,
  };
}
