import type { EjectionEvidence, EvidenceName } from "../core/health-settings.ts";
import { msText, percentText } from "./number-texts.ts";

/** A number of the evidence as a part of a sentence. */
const phrases: Readonly<Record<EvidenceName, (value: number) => string>> = {
  answers: (count) => counted(count, "answer"),
  badAnswersInRow: (count) => `${counted(count, "failed answer")} in a row`,
  brokenRatio: (ratio) => `${percentText(ratio)} of its streams broke`,
  brokenStreams: (count) => `${counted(count, "stream")} broken`,
  clients: (count) => counted(count, "client"),
  factor: (factor) => `${number(factor)} times as slow as usual`,
  factorMax: (factor) => `limit ${number(factor)} times`,
  failureRatio: (ratio) => `${percentText(ratio)} failed`,
  failureRatioLimit: (ratio) => `limit ${percentText(ratio)}`,
  failures: (count) => counted(count, "failure"),
  failuresInRow: (count) => `${counted(count, "failure")} in a row`,
  failuresInRowMax: (count) => `limit ${number(count)}`,
  longestMs: (ms) => `longest ${msText(ms)}`,
  otherEndpoints: (count) => counted(count, "other endpoint"),
  othersAnsweredMsAgo: (ms) => `others answered ${msText(ms)} ago`,
  othersAnswers: (count) => `${counted(count, "answer")} of others`,
  othersBrokenRatio: (ratio) => `${percentText(ratio)} of the others' streams broke`,
  othersEndpoints: (count) => `from ${counted(count, "endpoint")}`,
  othersFactor: (factor) => `others ${number(factor)} times`,
  othersFailureRatio: (ratio) => `${percentText(ratio)} of the others' answers failed`,
  othersLate: (count) => `${number(count)} of them late`,
  othersShortestMs: (ms) => `their shortest ${msText(ms)}`,
  othersUsualMs: (ms) => `usually ${msText(ms)} at others`,
  patienceMs: (ms) => `limit ${msText(ms)}`,
  refusedInRow: (count) => `${counted(count, "refused connection")} in a row`,
  reportedRunning: (count) => `${number(count)} running by its report`,
  shortAnswersInRow: (count) => `${counted(count, "short answer")} in a row`,
  shortAnswersInRowMax: (count) => `limit ${number(count)}`,
  silentMs: (ms) => `no answer for ${msText(ms)}`,
  times: (count) => `at ${counted(count, "different time")}`,
  ttftMs: (ms) => `first token after ${msText(ms)}`,
  unchangedMs: (ms) => `report unchanged for ${msText(ms)}`,
  unreachedInRow: (count) => `${counted(count, "failed connection")} in a row`,
  usualMs: (ms) => `usually ${msText(ms)}`,
  waiting: (count) => `${number(count)} of them still waiting`,
  waitingRequests: (count) => `${counted(count, "request")} waiting`,
  windowMs: (ms) => `within ${msText(ms)}`,
  workTokens: (count) => `${counted(count, "prompt token")} of work`,
};

/** The evidence of an ejection in words, in the order in which it was given. */
export function evidenceTextsOf(evidence: EjectionEvidence = {}): readonly string[] {
  return Object.entries(evidence).flatMap(([name, value]) => {
    return isKnown(name) && Number.isFinite(value) ? [phrases[name](value)] : [];
  });
}

function isKnown(name: string): name is EvidenceName {
  return Object.hasOwn(phrases, name);
}

function counted(count: number, what: string): string {
  return `${number(count)} ${what}${count === 1 ? "" : "s"}`;
}

function number(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 1 });
}
