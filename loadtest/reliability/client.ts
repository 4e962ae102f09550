import { Agent } from "undici";
import { systemClock } from "../../src/std/clock.ts";
import type { PlannedRequest } from "./plan.ts";

/** Milliseconds until a request's answer has to be complete, unless its case says otherwise. */
export const answerMsMax = 10_000;

/** Requests under way at a time; those due beyond it are not sent and count as failed. */
const underWayMax = 3_000;

const streamEnd = "data: [DONE]\n\n";
const errorEvent = '{"error":';

/** How one request went, as its client saw it. Times are milliseconds after the run's start. */
export interface Sent {
  readonly id: string;
  readonly isBurst: boolean;
  readonly sentAtMs: number;
  /** How late it was sent. */
  readonly lateMs: number;
  readonly endedAtMs: number;
  /**
   * `ok`; `left` where the client hung up; a status from 400; `cut` for a stream without its end; `timeout`; `held back` where too
   * many were under way; else the reason why there was no answer.
   */
  readonly result: string;
  /** Milliseconds from sending to the first piece of the answer's body; only of those that are ok. */
  readonly ttftMs?: number | undefined;
}

/** Sends planned requests when they are due, whether or not earlier ones have ended. */
export class LoadClient {
  readonly #url: string;
  readonly #startMs: number;
  readonly #answerMsMax: number;
  readonly #agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  readonly #sent: Sent[] = [];
  #underWay = 0;

  /** `startMs` is the run's start by `systemClock`. */
  constructor(url: string, startMs: number, answerMs = answerMsMax) {
    this.#url = url;
    this.#startMs = startMs;
    this.#answerMsMax = answerMs;
  }

  /** Resolves when all that was sent has ended; `stop` ends it early. */
  async run(plan: readonly PlannedRequest[], stop: AbortSignal): Promise<readonly Sent[]> {
    const pending: Promise<void>[] = [];
    for (const request of plan) {
      const waitMs = this.#startMs + request.atMs - systemClock.nowMs();
      // Even a timer of 0 ms takes 1 ms, and a burst has four requests in that time.
      if (waitMs > 0) await systemClock.sleep(waitMs, stop);
      if (stop.aborted) break;
      pending.push(this.#send(request, stop));
    }
    await Promise.all(pending);
    return this.#sent;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #send(request: PlannedRequest, stop: AbortSignal): Promise<void> {
    const { id, isBurst } = request;
    const sentAtMs = systemClock.nowMs() - this.#startMs;
    const about = { id, isBurst, sentAtMs, lateMs: sentAtMs - request.atMs };
    if (this.#underWay >= underWayMax) {
      this.#sent.push({ ...about, endedAtMs: sentAtMs, result: "held back" });
      return;
    }
    this.#underWay += 1;
    const timeUp = AbortSignal.timeout(this.#answerMsMax);
    const leaving = leavingOf(request);
    const ends = AbortSignal.any([timeUp, leaving, stop]);
    const answer = await this.#answerOf(request, ends).catch((cause: unknown) => {
      if (leaving.aborted) return { result: "left" };
      return { result: timeUp.aborted ? "timeout" : reasonOf(cause) };
    });
    this.#underWay -= 1;
    this.#sent.push({ ...about, ...answer, endedAtMs: systemClock.nowMs() - this.#startMs });
  }

  async #answerOf(
    request: PlannedRequest,
    signal: AbortSignal,
  ): Promise<Pick<Sent, "result" | "ttftMs">> {
    const startMs = systemClock.nowMs();
    const { statusCode, headers, body } = await this.#agent.request({
      origin: this.#url,
      path: "/v1/chat/completions",
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-request-id": request.id,
        ...(request.client === undefined ? {} : { "x-forwarded-for": request.client }),
      },
      body: request.body,
      signal,
    });
    body.setEncoding("utf8");
    if (String(headers["content-type"]).startsWith("application/json")) {
      await body.text();
      return { result: statusCode >= 400 ? String(statusCode) : "ok" };
    }
    let ttftMs: number | undefined;
    let tail = "";
    let hasError = false;
    try {
      for await (const piece of body) {
        ttftMs ??= systemClock.nowMs() - startMs;
        const text = `${tail}${String(piece)}`;
        hasError ||= text.includes(errorEvent);
        tail = text.slice(-streamEnd.length);
        if (request.leaves === "at-last-event" && tail === streamEnd) {
          body.destroy();
          return { result: "left", ttftMs };
        }
      }
    } catch (cause) {
      if (signal.aborted) throw cause;
      return { result: "cut" };
    }
    if (statusCode >= 400) return { result: String(statusCode) };
    if (hasError) return { result: "error event" };
    return tail === streamEnd ? { result: "ok", ttftMs } : { result: "cut" };
  }
}

/** Aborts when the client hangs up; never for one that stays. */
function leavingOf({ leaves }: PlannedRequest): AbortSignal {
  return typeof leaves === "object"
    ? AbortSignal.timeout(leaves.afterMs)
    : new AbortController().signal;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
