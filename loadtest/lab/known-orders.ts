import { readFileSync } from "node:fs";
import type { OrderingPolicy, QueuedRequest } from "../../src/core/flow-control.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import type { RoutingParts } from "../../src/data-plane/routing.ts";
import type { Deciding, LabView, Policy } from "../../src/replay/lab/policy.ts";

/** Milliseconds for which the work of a request that waits is taken as it was: a look at all engines costs as much as a decision. */
const freshMs = 200;

interface Known extends Deciding {
  tokens: number;
  freshUntilMs: number;
}

type KeyOf = (queued: QueuedRequest, known: Known, nowMs: number) => number;

/** The queue of `pointsman-hold` in an order that no picker knows, to see what better estimates would be worth. */
export const knownOrders: Readonly<Record<string, Policy & { readonly summary: string }>> = {
  "known-work": {
    ...heldIn(
      (view) =>
        ({ enqueuedMs }, known, nowMs) =>
          uncachedTokens(known, view, nowMs) / (1_000 + nowMs - enqueuedMs),
    ),
    name: "known-work",
    summary: "pointsman-hold, if it knew the part of each prompt that no engine holds at its turn",
  },
  "oldest-first": {
    ...heldIn(
      () =>
        (_, { conversation }) =>
          conversation,
    ),
    name: "oldest-first",
    summary: "pointsman-hold, if conversations that began first went first",
  },
};

/** Tokens of the prompt that the engine with most of it would have to compute now. */
function uncachedTokens(known: Known, { engines }: LabView, nowMs: number): number {
  if (nowMs < known.freshUntilMs) return known.tokens;
  known.freshUntilMs = nowMs + freshMs;
  known.tokens = Math.min(...engines.map((engine) => engine.uncachedTokensOf(known.prompt)));
  return known.tokens;
}

function heldIn(keyOf: (view: LabView) => KeyOf): Pick<Policy, "document" | "adapt"> {
  const document = readFileSync(new URL("policies/pointsman-hold.yaml", import.meta.url), "utf8");
  return { document, adapt: (parts, view) => ordered(parts, view, keyOf(view)) };
}

function ordered(parts: RoutingParts, view: LabView, keyOf: KeyOf): RoutingParts {
  const { flow } = parts;
  if (flow === undefined) throw new Error("the document has a queue");
  const known = new WeakMap<InferenceRequest, Known>();
  const keyAt = (queued: QueuedRequest, nowMs: number) => {
    const facts = known.get(queued.request);
    if (facts === undefined) throw new Error("a request waits that was never asked for");
    return keyOf(queued, facts, nowMs);
  };
  const ordering: OrderingPolicy = {
    compare: () => 0,
    changing: {
      // Their keys change each in its own way.
      classOf: ({ sequence }) => sequence,
      compareAt: (a, b, nowMs) => keyAt(a, nowMs) - keyAt(b, nowMs),
    },
  };
  return {
    ...parts,
    flow: {
      ...flow,
      fairnessIdOf: (request) => {
        // It is asked for the flow of a request when that comes to the queue.
        const facts = view.deciding();
        if (facts !== undefined) known.set(request, { ...facts, tokens: 0, freshUntilMs: 0 });
        return flow.fairnessIdOf(request);
      },
      policiesOf: (...band) => ({ ...flow.policiesOf(...band), ordering }),
    },
  };
}
