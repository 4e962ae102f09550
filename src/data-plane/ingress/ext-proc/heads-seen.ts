import { randomUUID } from "node:crypto";
import type { HeaderValues } from "../../../core/request.ts";
import type { ResponseHeadSeen } from "../../answer.ts";
import type { BodyMode, ProxyMessage } from "./messages.ts";
import type { ProxiedHead } from "./stream-exchange.ts";

type Message<K extends ProxyMessage["kind"]> = Extract<ProxyMessage, { kind: K }>;

/** The head of a request. */
export function headOf({ headers, subset }: Message<"request-headers">): ProxiedHead {
  return {
    id: headers.get("x-request-id") ?? randomUUID(),
    method: headers.get(":method") ?? "",
    path: headers.get(":path") ?? "",
    headers,
    subset,
  };
}

/** The head of a response. `mode`: the part of its body that the proxy shows. */
export function seenOf(
  { headers, endOfStream, servedBy }: Message<"response-headers">,
  mode: BodyMode,
): ResponseHeadSeen {
  const status = Number(headers.get(":status"));
  return {
    httpStatus: Number.isNaN(status) ? undefined : status,
    headers,
    servedBy,
    isUnreached: isProxysOwn(status, headers),
    showsBody: !endOfStream && mode !== "none",
    showsWholeBody: !endOfStream && showsWhole(mode),
  };
}

/**
 * True for an answer that Envoy makes because no endpoint answered: connections failed, or broke before an answer. Servers
 * date their answers, and Envoy adds its own header to those that it passes on; this message has neither yet.
 */
export function isProxysOwn(status: number, headers: HeaderValues): boolean {
  if (status !== 503 && status !== 502) return false;
  return ["date", "x-envoy-upstream-service-time", "x-envoy-overloaded"].every(
    (name) => headers.get(name) === undefined,
  );
}

/** True if the proxy sends the whole body; one that buffers a part sends only that part. */
function showsWhole(mode: BodyMode): boolean {
  return mode !== "none" && mode !== "buffered-partial";
}
