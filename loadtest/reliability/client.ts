import { Agent } from "undici";
import { systemClock } from "../../src/std/clock.ts";
import type { PlannedRequest } from "./plan.ts";

/** Milliseconds until a request's answer has to be complete. */
export const answerMsMax = 10_000;

/** Requests under way at a time; those due beyond it are not sent and count as failed. */
const underWayMax = 3_000;

const streamEnd = "data: [DONE]\n\n";

/** How one request went, as its client saw it. Times are milliseconds after the run's start. */
export interface Sent {
  readonly id: string;
  readonly isBurst: boolean;
  readonly sentAtMs: number;
  /** How late it was sent. */
  readonly lateMs: number;
  readonly endedAtMs: number;
  /**
   * `ok`; a status from 400; `cut` for a stream without its end; `timeout`; `held back` where too
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
  readonly #agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  readonly #sent: Sent[] = [];
  #underWay = 0;

  /** `startMs` is the run's start by `systemClock`. */
  constructor(url: string, startMs: number) {
    this.#url = url;
    this.#startMs = startMs;
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
    const timeUp = AbortSignal.timeout(answerMsMax);
    const answer = await this.#answerOf(request, AbortSignal.any([timeUp, stop])).catch(
      (cause: unknown) => ({ result: timeUp.aborted ? "timeout" : reasonOf(cause) }),
    );
    this.#underWay -= 1;
    this.#sent.push({ ...about, ...answer, endedAtMs: systemClock.nowMs() - this.#startMs });
  }

  async #answerOf(
    request: PlannedRequest,
    signal: AbortSignal,
  ): Promise<Pick<Sent, "result" | "ttftMs">> {
    const startMs = systemClock.nowMs();
    const { statusCode, body } = await this.#agent.request({
      origin: this.#url,
      path: "/v1/chat/completions",
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": request.id },
      body: request.body,
      signal,
    });
    body.setEncoding("utf8");
    let ttftMs: number | undefined;
    let tail = "";
    try {
      for await (const piece of body) {
        ttftMs ??= systemClock.nowMs() - startMs;
        tail = `${tail}${String(piece)}`.slice(-streamEnd.length);
      }
    } catch (cause) {
      if (signal.aborted) throw cause;
      return { result: "cut" };
    }
    if (statusCode >= 400) return { result: String(statusCode) };
    return tail === streamEnd ? { result: "ok", ttftMs } : { result: "cut" };
  }
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
