import type { EngineOptions } from "../simulator/engine-options.ts";
import type { Conversation } from "./lab/conversation.ts";
import { LabEngine } from "./lab/engine.ts";
import { EventQueue } from "./lab/event-queue.ts";
import { type RunRecord, sentNow, type SentRequest } from "./lab/run-record.ts";

/** Virtual time for answers after the last request. */
const drainMs = 3_600_000;

/** A request and where it went. */
export interface Placed {
  readonly conversation: Conversation;
  /** Undefined if it went nowhere. */
  readonly slot: number | undefined;
  /** Milliseconds from its arrival until it was sent. */
  readonly delayMs: number;
}

/**
 * Runs requests on simulated engines, each where and when it was sent: no picker decides. What differs from the recording
 * is the fault of the engines' model alone.
 */
export function runPlaced(
  placed: readonly Placed[],
  engineOptions: readonly EngineOptions[],
): Pick<RunRecord, "sent"> {
  const queue = new EventQueue();
  const engines = engineOptions.map((options) => new LabEngine(queue, options));
  const sent: SentRequest[] = [];
  const underWay = new Set<SentRequest>();
  for (const { conversation, slot, delayMs } of placed) {
    const engine = slot === undefined ? undefined : engines[slot];
    const [turn] = conversation.turns;
    if (engine === undefined || turn === undefined) continue;
    const one = sentNow(conversation, turn, { sentMs: conversation.atMs, idealTokens: 0 });
    one.slot = slot;
    sent.push(one);
    underWay.add(one);
    queue.add(conversation.atMs + delayMs, () => {
      const result = engine.submit({
        id: conversation.number,
        turn,
        adapter: conversation.adapter,
        priority: undefined,
        cachesAnswer: false,
        onEvent: ({ kind, atMs, cachedTokens }) => {
          if (kind === "first-token") {
            one.firstTokenMs = atMs;
            one.cachedTokens = cachedTokens;
          } else if (kind === "finished") {
            one.endedMs = atMs;
            underWay.delete(one);
          }
        },
        onFailed: () => undefined,
        waitingTokens: undefined,
        hasFirstToken: false,
      });
      if (result.kind === "accepted") return;
      one.failure = result.reason;
      underWay.delete(one);
    });
  }
  const lastMs = placed.at(-1)?.conversation.atMs ?? 0;
  while (underWay.size > 0 && queue.runNext(lastMs + drainMs));
  return { sent };
}
