import type { HttpOptions } from "../gateway/http-front.ts";
import { parseDurationMs } from "../std/quantities.ts";
import { UsageError } from "./command.ts";

/** `2s`, or `p95`; "" to hedge nothing. */
export function hedgeAfterOf(text: string): HttpOptions["hedgeAfter"] {
  if (text === "") return undefined;
  const percent = Number(/^p(\d{2}(?:\.\d+)?)$/u.exec(text)?.[1]);
  if (percent >= 50) return { kind: "percentile", share: percent / 100 };
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms > 0) return { kind: "fixed", ms };
  throw new UsageError([
    `invalid argument ${JSON.stringify(text)} for --hedge-after: want a time such as 2s, or a percentile from p50 to p99.9`,
  ]);
}
