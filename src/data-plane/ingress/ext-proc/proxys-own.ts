import type { HeaderValues } from "../../../core/request.ts";

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
