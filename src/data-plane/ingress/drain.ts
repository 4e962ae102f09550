import type { Clock } from "../../std/clock.ts";
import type { Transport } from "./ext-proc/transport.ts";

export interface DrainOptions {
  /** Longest time for all of it. */
  readonly timeoutMs: number;
  /** Time without a new stream after which proxies are taken to have noticed. */
  readonly quietMs: number;
  readonly clock: Clock;
}

/** How often it looks whether a step is done. */
const lookMs = 50;

/**
 * Finishes what proxies have sent, in two steps that share the time limit. First, not ready but
 * open: a proxy learns from its next health check that we are going, and until then it sends new
 * streams, which are served. Then, having told proxies to go away, no new streams: the open ones
 * finish. `cut` ends it early. What is open afterwards is the caller's to cut off.
 */
export async function drain(
  transport: Pick<Transport, "openStreams" | "streamsTotal" | "goAway">,
  { timeoutMs, quietMs, clock }: DrainOptions,
  cut: AbortSignal,
): Promise<void> {
  const startMs = clock.nowMs();
  let quietSinceMs = startMs;
  let streamsSeen = transport.streamsTotal;
  const isQuiet = () => {
    if (transport.streamsTotal !== streamsSeen) {
      streamsSeen = transport.streamsTotal;
      quietSinceMs = clock.nowMs();
    }
    return clock.nowMs() - quietSinceMs >= quietMs;
  };
  const until = async (isDone: () => boolean, endMs: number) => {
    while (!isDone() && !cut.aborted && clock.nowMs() < endMs) {
      await clock.sleep(Math.min(lookMs, endMs - clock.nowMs()), cut);
    }
  };
  await until(isQuiet, startMs + timeoutMs / 2);
  transport.goAway();
  // Proxies may keep an idle connection for as long as they like: only streams are waited for.
  await until(() => transport.openStreams === 0, startMs + timeoutMs);
}
