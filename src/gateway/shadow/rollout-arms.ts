import type { AssignedBy } from "../../core/decision-record.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest, RequestHead } from "../../core/request.ts";
import type { Assignment, SecondArm, SecondDecider } from "../../data-plane/second-decider.ts";
import type { Clock } from "../../std/clock.ts";
import type { ArmName } from "./paired-times.ts";
import type { Rollout } from "./rollout.ts";
import { assignedBy, conversationPlace, tenantPlace } from "./sticky-place.ts";

/** A rollout that is going on, and the arm of its document. */
export interface RunningRollout {
  readonly rollout: Rollout;
  readonly arm: SecondArm;
  /** Hash of the document's text. */
  readonly hash: string;
  /** Makes another choice of conversations for each document. */
  readonly salt: number;
}

interface Place {
  readonly of: Rollout;
  readonly arm: ArmName;
  /** Tells conversations apart. */
  readonly conversation: number;
  readonly by: AssignedBy;
  hasThrown: boolean;
}

/** Assigns requests to one of two documents, and tells the rollout how they ended. */
export class RolloutArms implements SecondDecider, RequestFollower {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #places = new WeakMap<RequestHead, Place>();
  /** Requests of all rollouts. */
  readonly counts = { inForce: { ok: 0, error: 0 }, shadow: { ok: 0, error: 0 } };
  running: RunningRollout | undefined;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  get arm(): SecondArm | undefined {
    return this.running?.arm;
  }

  assignmentOf(request: InferenceRequest): Assignment | undefined {
    const { running } = this;
    if (running === undefined) return undefined;
    const before = this.#places.get(request.head);
    // A further attempt stays where the first one was, unless that document is gone.
    const placed = before?.of === running.rollout ? before : this.#placed(request, running);
    // A rollback takes effect for the next attempt.
    const { state, share } = running.rollout;
    const isShadow = placed.arm === "shadow" && share > 0 && !placed.hasThrown;
    return {
      arm: isShadow ? running.arm : undefined,
      rollout: {
        decidedBy: isShadow ? "shadow" : "inForce",
        shadowHash: running.hash,
        state,
        shareRatio: share,
        assignedBy: placed.by,
        hasThrown: placed.hasThrown,
      },
    };
  }

  /** The shadow document threw at a request, which counts as an error of its. */
  thrown(head: RequestHead): void {
    const placed = this.#places.get(head);
    if (placed !== undefined) placed.hasThrown = true;
  }

  ended(record: RequestRecord): void {
    if (this.running === undefined) return;
    const placed = this.#places.get(record.head);
    if (placed === undefined || placed.of !== this.running.rollout) return;
    const { failure, refusal, end, endedBy, startedMs } = record;
    // A client that leaves says nothing about the documents.
    if (end === "aborted" && endedBy === "client") return;
    const isError =
      placed.hasThrown || refusal !== undefined || failure !== undefined || end === "aborted";
    const { arm, conversation } = placed;
    const sample = { arm, conversation, isError, times: timesOf(record), startedMs };
    this.counts[arm][isError ? "error" : "ok"] += 1;
    placed.of.ended(sample, this.#clock.nowMs());
  }

  #placed(request: InferenceRequest, running: RunningRollout): Place {
    const { rollout, salt } = running;
    const conversation = conversationPlace(request, salt);
    const isByTenant = rollout.settings.stickBy === "tenant";
    const place = isByTenant ? tenantPlace(request, salt) : conversation;
    const arm = place < rollout.share ? "shadow" : "inForce";
    const by = isByTenant ? "tenant" : assignedBy(request);
    const placed: Place = { of: rollout, arm, conversation, by, hasThrown: false };
    this.#places.set(request.head, placed);
    return placed;
  }
}

/** Times since the arrival of the request, the wait in a queue included. */
function timesOf(record: RequestRecord) {
  const { request, firstTokenMs, lastChunkMs, startedMs, usage } = record;
  const firstMs = (firstTokenMs ?? Number.NaN) - startedMs;
  const isStreaming = request?.isStreaming === true;
  const steps = (usage?.outputTokens ?? 0) - 1;
  const tpotMs =
    steps > 0 ? ((lastChunkMs ?? Number.NaN) - (firstTokenMs ?? Number.NaN)) / steps : Number.NaN;
  return {
    ttft: isStreaming ? firstMs : Number.NaN,
    answer: isStreaming ? Number.NaN : firstMs,
    tpot: isStreaming ? tpotMs : Number.NaN,
  };
}
