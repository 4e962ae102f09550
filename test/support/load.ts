import { Agent } from "undici";

export interface LoadOptions {
  readonly url: string;
  readonly concurrency: number;
  /** Ends the load; with `durationMs`, whichever comes first. */
  readonly requestsMax: number;
  readonly durationMs?: number;
  readonly bodyOf: (index: number) => string;
}

export interface LoadResult {
  readonly requests: number;
  /** Requests by status; `error: …` for those that got none or broke off. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Requests by the engine that says it served them. */
  readonly servedBy: Readonly<Record<string, number>>;
}

/** Sends chat completions in a closed loop, bounded in count and time. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const dispatcher = new Agent({ connections: options.concurrency, pipelining: 1 });
  const end = performance.now() + (options.durationMs ?? 300_000);
  const outcomes: Record<string, number> = {};
  const servedBy: Record<string, number> = {};
  let next = 0;
  const worker = async () => {
    while (next < options.requestsMax && performance.now() < end) {
      const index = next;
      next += 1;
      try {
        const { statusCode, headers, body } = await dispatcher.request({
          origin: options.url,
          path: "/v1/chat/completions",
          method: "POST",
          headers: { "content-type": "application/json" },
          body: options.bodyOf(index),
        });
        const text = await body.text();
        const isWhole = !text.startsWith("data:") || text.endsWith("data: [DONE]\n\n");
        count(outcomes, isWhole ? String(statusCode) : "error: stream cut off");
        const name = headers["x-served-by"];
        if (typeof name === "string") count(servedBy, name);
      } catch (cause) {
        count(outcomes, `error: ${cause instanceof Error ? cause.message : String(cause)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  await dispatcher.close();
  return { requests: next, outcomes, servedBy };
}

function count(into: Record<string, number>, key: string): void {
  into[key] = (into[key] ?? 0) + 1;
}
