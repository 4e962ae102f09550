import type { Clock } from "../../std/clock.ts";
import type { Ingress } from "./ingress.ts";

export interface DrainOptions {
  /** Maximum time for both steps. */
  readonly timeoutMs: number;
  /** Time without a new stream after which all proxies count as informed. */
  readonly quietMs: number;
  readonly clock: Clock;
  /** Refuses the requests that still wait for their turn when the time is over; returns their number. */
  readonly refuseWaiting?: () => number;
}

/** Maximum time for the answers to requests that were refused at the end. */
const refusedMsMax = 1_000;

/** Interval between two checks whether a step is done. */
const lookMs = 50;

/**
 * Finishes open streams in two steps that share the time limit. In the first, the picker is not ready but still serves
 * new streams: a proxy learns from its next health check that the picker is stopping, and sends streams until then. In
 * the second, it tells proxies to go away, takes no new streams and waits for the open ones. `cut` ends both early. Requests
 * that still wait for their turn are then refused. The caller cuts off the streams that are open afterwards.
 */
export async function drain(
  ingresses: readonly Pick<Ingress, "openRequests" | "requestsTotal" | "announceEnd" | "goAway">[],
  { timeoutMs, quietMs, clock, refuseWaiting }: DrainOptions,
  cut: AbortSignal,
): Promise<void> {
  const startMs = clock.nowMs();
  let quietSinceMs = startMs;
  const requestsTotal = () => sumOf(ingresses.map((ingress) => ingress.requestsTotal));
  let requestsSeen = requestsTotal();
  const isQuiet = () => {
    if (requestsTotal() !== requestsSeen) {
      requestsSeen = requestsTotal();
      quietSinceMs = clock.nowMs();
    }
    return clock.nowMs() - quietSinceMs >= quietMs;
  };
  const until = async (isDone: () => boolean, endMs: number) => {
    while (!isDone() && !cut.aborted && clock.nowMs() < endMs) {
      await clock.sleep(Math.min(lookMs, endMs - clock.nowMs()), cut);
    }
  };
  for (const ingress of ingresses) ingress.announceEnd?.();
  await until(isQuiet, startMs + timeoutMs / 2);
  for (const ingress of ingresses) ingress.goAway();
  // Wait for streams only: proxies may keep an idle connection open without limit.
  const openRequests = () => sumOf(ingresses.map((ingress) => ingress.openRequests));
  await until(() => openRequests() === 0, startMs + timeoutMs);
  const openBefore = openRequests();
  const refused = refuseWaiting?.() ?? 0;
  if (refused === 0) return;
  const endMs = clock.nowMs() + refusedMsMax;
  // At least once, so that the last answer leaves the process too.
  do await clock.sleep(lookMs);
  while (openRequests() > openBefore - refused && clock.nowMs() < endMs);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
