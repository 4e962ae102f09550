import type { Decision } from "../../core/decision.ts";
import type { AnsweredHits } from "../../core/hit-ladder.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import { addTo, answersOf, answerSumCount, answerSums, requestSums } from "./sums.ts";
import type { TrafficGroup } from "./traffic-groups.ts";
import { WindowSums } from "./window-sums.ts";

/** Endpoints with sums of their own: as many as a pool has at most. */
const endpointsMax = 4_096;

/** A request that was sent. */
export interface SentHit {
  readonly decision: Decision;
  readonly group: TrafficGroup;
  /** Share of the prompt that the endpoint was expected to hold. */
  readonly predictedRatio: number;
}

/** Compares the cached tokens that engines report with those that were expected, in all and by endpoint. */
export class AnsweredRequests {
  readonly #nowMs: () => number;
  readonly #endpoints = new Map<string, WindowSums>();
  /** Answers whose prompt another endpoint has computed. */
  splitAnswers = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  follow(sent: SentHit): RequestFollower {
    return { ended: (record) => this.#ended(record, sent) };
  }

  /** Endpoints that have answered within the window. */
  list(): readonly (AnsweredHits & { readonly id: string })[] {
    const nowMs = this.#nowMs();
    const all: (AnsweredHits & { readonly id: string })[] = [];
    for (const [id, sums] of this.#endpoints) {
      const answered = answersOf(sums.total(nowMs));
      if (answered.answers === 0) this.#endpoints.delete(id);
      else all.push({ id, ...answered });
    }
    return all;
  }

  #ended(record: RequestRecord, { decision, group, predictedRatio }: SentHit): void {
    const { usage, servedBy, end, failure } = record;
    if (end !== "complete" || failure !== undefined) return;
    const { endpoint, hostPort } = decision.targets[0];
    // What another endpoint holds was not predicted.
    if (servedBy !== undefined && servedBy !== hostPort && servedBy !== endpoint.hostPort) return;
    if (decision.helpers.length > 0) {
      this.splitAnswers += 1;
      return;
    }
    const nowMs = this.#nowMs();
    const all = [
      { sums: group.sums.at(nowMs), first: requestSums.answers },
      { sums: this.#sumsOf(endpoint.id)?.at(nowMs), first: 0 },
    ];
    for (const { sums, first } of all) {
      if (sums === undefined) continue;
      addTo(sums, first + answerSums.answers, 1);
      if (usage?.cachedTokens === undefined) continue;
      const { promptTokens, cachedTokens } = usage;
      addTo(sums, first + answerSums.reporting, 1);
      addTo(sums, first + answerSums.promptTokens, promptTokens);
      addTo(sums, first + answerSums.predictedTokens, predictedRatio * promptTokens);
      addTo(sums, first + answerSums.cachedTokens, Math.min(promptTokens, cachedTokens));
    }
  }

  #sumsOf(id: string): WindowSums | undefined {
    const known = this.#endpoints.get(id);
    if (known !== undefined) return known;
    // Endpoints that have left make room.
    if (this.#endpoints.size >= endpointsMax) this.list();
    if (this.#endpoints.size >= endpointsMax) return undefined;
    const sums = new WindowSums(answerSumCount);
    this.#endpoints.set(id, sums);
    return sums;
  }
}
