import { z } from "zod";
import { orderingPolicyPlugin } from "../../../core/data-plane-plugin.ts";
import type { OrderingPolicy, QueuedRequest } from "../../../core/flow-control.ts";

/** Milliseconds for which a request has to wait to halve its key. */
const unitMs = 1_000;
/** Classes for each doubling of the work: those of one class differ by 9 % at most, and are served as they came. */
const classesPerDoubling = 8;
/** Least and longest work that are told apart, in milliseconds; `classesPerDoubling` x 22 classes. */
const ownMsMin = 1;
const ownMsMax = 4_000_000;
/** Milliseconds per prompt token of a request whose work is unknown. */
const msPerToken = 1 / 6;

const byResponseRatio: OrderingPolicy = {
  readsOwnMs: true,
  compare: (a, b) => a.enqueuedMs - b.enqueuedMs,
  changing: {
    classOf: (queued) => Math.round(Math.log2(workMsOf(queued)) * classesPerDoubling),
    compareAt: (a, b, nowMs) => keyOf(a, nowMs) - keyOf(b, nowMs),
  },
};

/**
 * Serves short requests first, but none waits for long without reason:
 *
 *     key = own work / (1 + seconds waited)
 *
 * The lowest key goes first. It falls to 0 with waiting, so that no request starves.
 */
export const responseRatioOrdering = orderingPolicyPlugin({
  type: "response-ratio-ordering-policy",
  isOwn: true,
  summary:
    "Serves the request first whose `work / (1 + seconds waited)` is least. `work` is the expected time to compute the part of its prompt that is not cached, where that is least. Short requests need not wait for long ones, and since the key of a request falls to 0 while it waits, none starves. Requests whose work differs by less than 9 % are served in order of arrival. The default under the gate `flowControl` in a document of `apiVersion: pointsman.dev/v1alpha1`.",
  params: z.strictObject({}),
  create: () => byResponseRatio,
});

/** The same order, in which each request is passed over a bounded number of times. */
export const boundedResponseRatioOrdering = orderingPolicyPlugin({
  type: "bounded-response-ratio-ordering-policy",
  isOwn: true,
  summary:
    "The order of [`response-ratio-ordering-policy`](#response-ratio-ordering-policy), but once `passesMax` requests of its flow that came later were sent before a request, it goes first, in order of arrival among such requests. For contracts on the tail of long prompts: the mean gains less. A request does not count as passed over while its turn finds its engine full, or no endpoint for it.",
  params: z.strictObject({
    passesMax: z.int().min(1).default(50).meta({
      description: "Maximum number of later requests of its flow that pass a request.",
      tune: "Lower it if long prompts wait too long, raise it if short ones do.",
    }),
  }),
  create: ({ passesMax }) => ({ ...byResponseRatio, passesMax }),
});

function keyOf(queued: QueuedRequest, nowMs: number): number {
  return workMsOf(queued) / (unitMs + nowMs - queued.enqueuedMs);
}

function workMsOf({ ownMs, request }: QueuedRequest): number {
  const known = Number.isNaN(ownMs) ? request.promptTokens * msPerToken : ownMs;
  return Math.min(Math.max(known, ownMsMin), ownMsMax);
}
