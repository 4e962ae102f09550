import { Agent, type Dispatcher } from "undici";
import type { Clock } from "../std/clock.ts";
import { reasonOf } from "../std/reason-of.ts";
import { numberOf, parseRecord, recordOf } from "./json.ts";
import type { Outcome } from "./tally.ts";
import type { LoadRequest } from "./workload.ts";

/** Milliseconds without a byte after which a request counts as failed. */
const silenceMsMax = 60_000;

/** Characters of an answer's end that are kept to read its usage from. */
const tailCharactersMax = 2_000;

const streamEnd = "data: [DONE]\n\n";

/** The demo's own OpenAI client: sends a request, reads its whole answer and times it. */
export class Client {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #agent = new Agent({
    pipelining: 1,
    headersTimeout: silenceMsMax,
    bodyTimeout: silenceMsMax,
  });

  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  /** Resolves to undefined if `cut` has ended the request. */
  async send(request: LoadRequest, cut: AbortSignal): Promise<Outcome | undefined> {
    const startMs = this.#clock.nowMs();
    try {
      const response = await this.#agent.request({
        origin: this.#url,
        path: request.path,
        method: "POST",
        body: request.body,
        headers: { "content-type": "application/json" },
        signal: cut,
      });
      return await this.#outcomeOf(response, startMs);
    } catch (cause) {
      if (cut.aborted) return undefined;
      return {
        sentMs: startMs,
        endedMs: this.#clock.nowMs(),
        result: codeOrReasonOf(cause),
        isError: true,
      };
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #outcomeOf(
    { statusCode, headers, body }: Dispatcher.ResponseData,
    startMs: number,
  ): Promise<Outcome> {
    let firstPieceMs: number | undefined;
    let tail = "";
    body.setEncoding("utf8");
    for await (const piece of body) {
      firstPieceMs ??= this.#clock.nowMs();
      tail = `${tail}${String(piece)}`.slice(-tailCharactersMax);
    }
    const isOk = statusCode < 400;
    const isCut = isOk && !tail.endsWith(streamEnd);
    const servedBy = headers["x-served-by"];
    return {
      sentMs: startMs,
      endedMs: this.#clock.nowMs(),
      result: isCut ? "broken off" : String(statusCode),
      isError: !isOk || isCut,
      servedBy: typeof servedBy === "string" ? servedBy : undefined,
      ttftMs: isOk && firstPieceMs !== undefined ? firstPieceMs - startMs : undefined,
      ...usageAtEndOf(tail),
    };
  }
}

/** The usage that ends an answer: its last member, or in the last event of a stream. */
export function usageAtEndOf(
  tail: string,
): { readonly promptTokens: number; readonly cachedTokens: number } | undefined {
  const start = tail.lastIndexOf('"usage":');
  const text = /^"usage":\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})/.exec(tail.slice(start))?.[1];
  const usage = start < 0 || text === undefined ? undefined : parseRecord(text);
  const promptTokens = numberOf(usage?.["prompt_tokens"]);
  if (promptTokens === undefined) return undefined;
  const details = recordOf(usage?.["prompt_tokens_details"]);
  return { promptTokens, cachedTokens: numberOf(details?.["cached_tokens"]) ?? 0 };
}

function codeOrReasonOf(cause: unknown): string {
  const hasCode = cause instanceof Error && "code" in cause && typeof cause.code === "string";
  if (!hasCode) return reasonOf(cause);
  return cause.code === "UND_ERR_SOCKET" ? "broken off" : String(cause.code);
}
