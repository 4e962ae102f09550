import type { RequestLine } from "../telemetry/recording/lines.ts";

/** When the client had the last of the answer. */
export function endMsOf({ atMs, lastMs, endedMs }: RequestLine): number {
  return atMs + (lastMs ?? endedMs);
}

/** Clients go on from whole answers. Of one that was given up it is unknown when that would be in a replay. */
export function wasAnswered({ end, refusal, status = 0 }: RequestLine): boolean {
  return end === "complete" && refusal === undefined && status < 300;
}

/** The client of a request, as far as it is known. */
export function clientOf({ tenant = "", session = "" }: RequestLine): string {
  return `${tenant} ${session}`;
}
