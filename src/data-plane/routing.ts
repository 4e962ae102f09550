import type { RewriteRule } from "../core/policies.ts";
import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Refusal } from "../core/errors.ts";
import type { RunningRequest } from "../core/flow-control.ts";
import { headerTable, valueOf } from "../core/headers.ts";
import type {
  BodyRules,
  BodyUse,
  ChangedBody,
  ParseResult,
  SeenBody,
  UnreadReason,
} from "../core/parse-result.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { RequestTrace } from "../core/request-trace.ts";
import type { RequestStudy } from "../core/request-study.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import type { BytePieces } from "../std/byte-pieces.ts";
import type { Outcome } from "../core/decision.ts";
import {
  Admission,
  type AdmissionCase,
  type Admitted,
  type FlowInForce,
} from "./admission/admission.ts";
import type { FlowRules } from "./admission/flow/flow-parts.ts";
import type { ModelRewrite } from "./model-rewrite.ts";
import type { RequestReader } from "./parsing/request-reader.ts";
import type { DecisionLog } from "./scheduling/decision-log.ts";
import type { HeldRequest } from "./scheduling/held-request.ts";
import { decisionAttributesOf } from "./scheduling/decision-attributes.ts";
import type { SecondArm, SecondDecider } from "./second-decider.ts";
import { predictionIn, prefixIn } from "./scheduling/picked-facts.ts";
import {
  type Scheduled,
  Scheduler,
  type SchedulingGraph,
  type SchedulingInput,
} from "./scheduling/scheduler.ts";

/** The parts that handle requests under one configuration. */
export interface RoutingParts {
  readonly reader: RequestReader;
  readonly rewriteModel: ModelRewrite;
  /** The rules that `rewriteModel` follows; the same array until they change. */
  readonly rewriteRules: () => readonly RewriteRule[];
  /** True if a rule or plugin uses the model of this request. */
  readonly usesModel: (head: RequestHead) => boolean;
  /** The rules by which `reader` uses bodies; the same object until they change. */
  readonly bodyRules: () => BodyRules;
  /** Reads the identity of the agent that sent a request; undefined if no plugin does. */
  readonly agentIdOf: ((head: RequestHead) => string | undefined) | undefined;
  /** The priority of an objective; undefined if no objective has this name. */
  readonly priorityOf: (objective: string) => number | undefined;
  readonly graph: SchedulingGraph;
  /** The rules of the queue; undefined if flow control is off. */
  readonly flow: FlowRules | undefined;
  /** True to refuse requests for a model that no endpoint serves. */
  readonly refusesUnknownModels: boolean;
  /** True if a client may ask for the id of the decision about its request. */
  readonly hasDebugHeader: boolean;
}

export interface RoutingOptions {
  /** True to ignore the gateway's subset hint. */
  readonly ignoresSubset: boolean;
  /** Maximum size of a compressed request body after decoding, in bytes. */
  readonly bodyBytesMax: number;
  readonly log: DecisionLog;
  /** The queue, if a configuration turns flow control on. */
  readonly flow?: FlowInForce | undefined;
  /** A second document that decides about some of the requests. */
  readonly second?: SecondDecider | undefined;
  /** Parts that look at each request that leaves; none by default. */
  readonly studies?: readonly RequestStudy[];
  /** Monotonic milliseconds, to measure the time that predictions take; undefined to measure none. */
  readonly nowMs?: (() => number) | undefined;
}

type ParsedRequest = Extract<ParseResult, { kind: "parsed" }>;

/** A request with the results of its headers, its body and the configuration, or the reason to refuse it. */
export type Understood =
  | {
      readonly kind: "understood";
      readonly request: InferenceRequest;
      /** Makes the body to send in place of the client's; undefined if the client's is sent. */
      readonly changedBody: () => ChangedBody | undefined;
      readonly withFields: ParsedRequest["withFields"];
      /** The reason that rules on the model could not be applied; undefined if they were, or there are none. */
      readonly unread: UnreadReason | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export type UnderstoodRequest = Extract<Understood, { readonly kind: "understood" }>;

/**
 * Handles requests under one configuration: parses, admits and schedules them, and tells plugins when they leave. A
 * request keeps the routing that it began with.
 */
export class Routing {
  readonly #parts: RoutingParts;
  readonly #bodyBytesMax: number;
  readonly #admission: Admission;
  readonly #scheduler: Scheduler;
  readonly #studies: readonly RequestStudy[];
  readonly #second: SecondDecider | undefined;

  constructor(parts: RoutingParts, options: RoutingOptions) {
    const { graph, refusesUnknownModels } = parts;
    this.#parts = parts;
    this.#studies = options.studies ?? [];
    this.#second = options.second;
    this.#bodyBytesMax = options.bodyBytesMax;
    this.#admission = new Admission(
      graph.detector,
      parts.flow === undefined ? undefined : options.flow,
    );
    const awaitsModels = parts.flow !== undefined;
    this.#scheduler = new Scheduler(graph, { ...options, refusesUnknownModels, awaitsModels });
  }

  /** Use of the body for the decision. */
  bodyUse(head: RequestHead): BodyUse {
    return this.#parts.reader.bodyUse(head);
  }

  /** The rules by which bodies are used; the same object until they change. */
  get bodyRules(): BodyRules {
    return this.#parts.bodyRules();
  }

  /** Reads a long body in slices, for `understand`; undefined if there is nothing to wait for. */
  readAhead(
    head: RequestHead,
    body: SeenBody,
    isWanted: () => boolean,
  ): Promise<BytePieces> | undefined {
    return this.#parts.reader.readAhead?.(head, body, isWanted);
  }

  understand(head: RequestHead, body: SeenBody): Understood {
    const { reader, usesModel, priorityOf, rewriteModel, agentIdOf } = this.#parts;
    const parsed = reader.parse(head, body, this.#bodyBytesMax);
    if (parsed.kind === "refused") return parsed;
    const { withModel } = parsed;
    const { model } = parsed.request;
    const priority = priorityOf(valueOf(head.headers, headerTable.objective) ?? "") ?? 0;
    // A body that cannot name a model cannot be rewritten.
    const targetModel =
      withModel === undefined ? parsed.request.targetModel : rewriteModel(head, model);
    return {
      kind: "understood",
      request: described(parsed.request, {
        priority,
        targetModel,
        agentId: agentIdOf?.(head),
      }),
      changedBody: () => (targetModel === model ? undefined : withModel?.(targetModel)),
      withFields: parsed.withFields,
      unread: parsed.unread !== undefined && usesModel(head) ? parsed.unread : undefined,
    };
  }

  /** True if a request that was sent, and reached no endpoint, may wait for its turn. */
  get takesBack(): boolean {
    return this.#admission.takesBack;
  }

  admit(asked: AdmissionCase): Admitted {
    return this.#admission.admit(asked);
  }

  /** Tells the queue of a request that was admitted and scheduled; returns its answer if the request has to wait. */
  scheduled(asked: AdmissionCase, outcome: OutcomeOrHeld): Admitted {
    if (outcome.kind === "held") return this.#admission.scheduled(asked, outcome);
    return this.#admission.scheduled(asked, isUnplaced(outcome) ? "unplaced" : undefined);
  }

  /** Share of the longest wait in an engine from which an admitted request is held; undefined if none is. */
  heldFrom(request: InferenceRequest): number | undefined {
    return this.#admission.heldFrom(request);
  }

  /** Chooses endpoints. Synchronous, so that the whole decision uses one state of the pool. */
  schedule(asked: AskedDecision): Scheduled;
  /** `heldFrom`: as for `Scheduler.schedule`. */
  schedule(asked: AskedDecision, heldFrom: number | undefined): Scheduled | HeldRequest;
  schedule(asked: AskedDecision, heldFrom?: number): Scheduled | HeldRequest {
    const { request, snapshot, mayRepeat, trace } = asked;
    const stages = trace?.scheduling();
    return this.#schedule({ request, snapshot, mayRepeat, stages }, heldFrom);
  }

  /** Least expected time of the request's own work, in milliseconds; NaN if it is unknown. */
  ownMs(request: InferenceRequest, snapshot: PoolSnapshot): number {
    return this.#scheduler.ownMs({ request, snapshot });
  }

  /**
   * Decides about a request without sending it: nothing is counted, and `log` has the record. Undefined if the request
   * was scheduled or refused by the scheduler, else the refusal.
   */
  tried(asked: TriedRequest, snapshot: PoolSnapshot, log: DecisionLog): Refusal | undefined {
    const understood = this.understand(asked.head, asked.body);
    if (understood.kind === "refused") return understood.refusal;
    const { refusesUnknownModels } = this.#parts;
    const { request } = understood;
    const { arm, rollout } = this.#second?.assignmentOf(request) ?? noAssignment;
    const { graph } = arm ?? this.#parts;
    const scheduler = new Scheduler(graph, { ignoresSubset: true, refusesUnknownModels, log });
    scheduler.schedule({ request, snapshot, rollout, isTried: true });
    return undefined;
  }

  /** Chooses endpoints again for a request that failed at another, among those of `snapshot` that serve its model. */
  reschedule({ request, snapshot, trace }: AskedDecision): Scheduled {
    const input = { request, snapshot, needsModel: true, stages: trace?.scheduling() };
    const scheduled = this.#schedule(input, undefined);
    // Only a request that may be held is.
    if (scheduled.kind === "held") throw new Error("a retry is never held");
    return scheduled;
  }

  #schedule(input: SchedulingInput, heldFrom: number | undefined): Scheduled | HeldRequest {
    const scheduled = this.#scheduledByOne(input, heldFrom);
    input.stages?.end(decisionAttributesOf(scheduled));
    return scheduled;
  }

  /** By the document that decides about the request; if a second one throws, by the one in force. */
  #scheduledByOne(input: SchedulingInput, heldFrom: number | undefined): Scheduled | HeldRequest {
    const assignment = this.#second?.assignmentOf(input.request);
    if (assignment === undefined) return this.#scheduler.schedule(input, heldFrom);
    const { arm, rollout } = assignment;
    if (arm === undefined) return this.#scheduler.schedule({ ...input, rollout }, heldFrom);
    try {
      return arm.scheduler.schedule({ ...input, rollout }, heldFrom);
    } catch (cause) {
      arm.failed(input.request.head, cause);
      const now = this.#second?.assignmentOf(input.request)?.rollout;
      return this.#scheduler.schedule({ ...input, rollout: now }, heldFrom);
    }
  }

  /** The document that made a decision; undefined for the one in force. */
  #armThatMade({ decision }: SentRequest): SecondArm | undefined {
    return decision.madeBy === undefined ? undefined : this.#second?.arm;
  }

  /**
   * The body to send in place of the client's: with another model, and with fields that plugins add. `arrivedAtMs`: Unix
   * time of the request's arrival.
   */
  bodyOf(
    { changedBody, withFields }: UnderstoodRequest,
    sent: SentRequest,
    arrivedAtMs: number,
  ): { readonly changed: ChangedBody | undefined; readonly isRenamed: boolean } {
    const renamed = changedBody();
    const isRenamed = renamed !== undefined;
    const fields =
      withFields && this.#asked(sent, (scheduler) => scheduler.fieldsOf(sent, arrivedAtMs));
    if (withFields === undefined || fields === undefined) return { changed: renamed, isRenamed };
    return { changed: withFields(fields, renamed), isRenamed };
  }

  /**
   * Tells plugins that the request leaves for its endpoint, and the queue, which may evict it; calls `follow` with each
   * follower of theirs.
   */
  sent(
    sent: SentRequest,
    follow: (follower: RequestFollower) => void,
    running?: RunningRequest,
  ): void {
    this.#asked(sent, (scheduler) => scheduler.sent(sent, follow));
    if (this.#studies.length > 0) this.#study(sent, follow);
    const evictable = running && this.#admission.follow(sent.context.request, running);
    if (evictable !== undefined) follow(evictable);
    const isAsked =
      this.#parts.hasDebugHeader &&
      valueOf(sent.context.request.head.headers, headerTable.debug) === "true";
    if (isAsked) follow(decisionHeaderOf(sent));
  }

  /** Asks the scheduler that made the decision. If plugins of a second document throw, the request goes on without them. */
  #asked<Answer>(sent: SentRequest, ask: (scheduler: Scheduler) => Answer): Answer | undefined {
    const arm = this.#armThatMade(sent);
    if (arm === undefined) return ask(this.#scheduler);
    try {
      return ask(arm.scheduler);
    } catch (cause) {
      arm.failed(sent.context.request.head, cause);
      return undefined;
    }
  }

  #study(sent: SentRequest, follow: (follower: RequestFollower) => void): void {
    const { graph } = this.#armThatMade(sent) ?? this.#parts;
    const match = prefixIn(sent.context, graph)?.match;
    const prediction = predictionIn(sent.context, graph)?.prediction;
    for (const study of this.#studies) {
      const follower = study.sent(sent, match, prediction);
      if (follower !== undefined) follow(follower);
    }
  }
}

const noAssignment = { arm: undefined, rollout: undefined };

/** A request to choose endpoints for. */
export interface AskedDecision extends Pick<SchedulingInput, "request" | "snapshot" | "mayRepeat"> {
  /** Undefined if the request is not sampled. */
  readonly trace?: Pick<RequestTrace, "scheduling"> | undefined;
}

/** A request that is only tried. */
export interface TriedRequest {
  readonly head: RequestHead;
  readonly body: SeenBody;
}

/** The outcome of a decision that may let the request wait. */
export type OutcomeOrHeld = Outcome | HeldRequest;

/** True if the request was refused because no endpoint could take it. */
export function isUnplaced(outcome: Outcome): boolean {
  return outcome.kind === "refused" && outcome.isUnplaced === true;
}

/** Returns the request with these properties; the same object if it has them already. */
function described(
  request: InferenceRequest,
  {
    priority,
    targetModel,
    agentId,
  }: Pick<InferenceRequest, "priority" | "targetModel" | "agentId">,
): InferenceRequest {
  const isSame =
    priority === request.priority &&
    targetModel === request.targetModel &&
    agentId === request.agentId;
  return isSame ? request : { ...request, priority, targetModel, agentId };
}

/** Sends the client the id of the decision about its request, for `/debug/decisions`. */
function decisionHeaderOf({ decision }: SentRequest): RequestFollower {
  return { responseHeaders: () => [[headerTable.decision.name, String(decision.recordId)]] };
}
