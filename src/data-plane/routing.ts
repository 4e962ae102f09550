import type { RewriteRule } from "../core/policies.ts";
import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Refusal } from "../core/errors.ts";
import { headerTable, valueOf } from "../core/headers.ts";
import type { BodyUse, ChangedBody, SeenBody, UnreadReason } from "../core/parse-result.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { InferenceRequest, RequestHead } from "../core/request.ts";
import { Admission, type AdmissionCase, type Admitted } from "./admission/admission.ts";
import type { ModelRewrite } from "./model-rewrite.ts";
import type { RequestReader } from "./parsing/request-reader.ts";
import type { DecisionLog } from "./scheduling/decision-log.ts";
import { type Scheduled, Scheduler, type SchedulingGraph } from "./scheduling/scheduler.ts";

/** The parts that a configuration builds for requests. */
export interface RoutingParts {
  readonly reader: RequestReader;
  readonly rewriteModel: ModelRewrite;
  /** The rules that `rewriteModel` follows; the same array until they change. */
  readonly rewriteRules: () => readonly RewriteRule[];
  /** True if anything uses the model of this request. */
  readonly usesModel: (head: RequestHead) => boolean;
  /** The priority of an objective; undefined if no objective has this name. */
  readonly priorityOf: (objective: string) => number | undefined;
  readonly graph: SchedulingGraph;
  /** Refuses a request for a model that no endpoint serves. */
  readonly refusesUnknownModels: boolean;
  /** A client may ask for the id of the decision about its request. */
  readonly hasDebugHeader: boolean;
}

export interface RoutingOptions {
  /** Ignores the gateway's subset hint. */
  readonly ignoresSubset: boolean;
  /** The most that a compressed request body may have when decoded. */
  readonly bodyBytesMax: number;
  readonly log: DecisionLog;
}

/** A request as its headers, its body and the configuration describe it, or the reason to refuse it. */
export type Understood =
  | {
      readonly kind: "understood";
      readonly request: InferenceRequest;
      /** The body to send in place of the client's; undefined if that one stays. Made when called. */
      readonly changedBody: () => ChangedBody | undefined;
      /** The reason that rules on the model do not apply; undefined if they do, or there are none. */
      readonly unread: UnreadReason | undefined;
    }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * One configuration's treatment of requests: understand, admit, schedule, and tell plugins that the
 * request leaves. A request keeps the routing that it began with.
 */
export class Routing {
  readonly #parts: RoutingParts;
  readonly #bodyBytesMax: number;
  readonly #admission: Admission;
  readonly #scheduler: Scheduler;

  constructor(parts: RoutingParts, { ignoresSubset, bodyBytesMax, log }: RoutingOptions) {
    const { graph, refusesUnknownModels } = parts;
    this.#parts = parts;
    this.#bodyBytesMax = bodyBytesMax;
    this.#admission = new Admission(graph.detector);
    this.#scheduler = new Scheduler(graph, { ignoresSubset, refusesUnknownModels, log });
  }

  /** Use of the body for the decision. */
  bodyUse(head: RequestHead): BodyUse {
    return this.#parts.reader.bodyUse(head);
  }

  understand(head: RequestHead, body: SeenBody): Understood {
    const { reader, usesModel, priorityOf, rewriteModel } = this.#parts;
    const parsed = reader.parse(head, body, this.#bodyBytesMax);
    if (parsed.kind === "refused") return parsed;
    const { withModel } = parsed;
    const { model } = parsed.request;
    const priority = priorityOf(valueOf(head.headers, headerTable.objective) ?? "") ?? 0;
    // A body that cannot name a model cannot be given another one.
    const targetModel =
      withModel === undefined ? parsed.request.targetModel : rewriteModel(head, model);
    return {
      kind: "understood",
      request: described(parsed.request, priority, targetModel),
      changedBody: () => (targetModel === model ? undefined : withModel?.(targetModel)),
      unread: parsed.unread !== undefined && usesModel(head) ? parsed.unread : undefined,
    };
  }

  /** Whether the request may run now. A promise means that it waits. */
  admit(asked: AdmissionCase): Admitted | Promise<Admitted> {
    return this.#admission.admit(asked);
  }

  /** The choice of endpoints, synchronous so that it is made on one state of the pool. */
  schedule(request: InferenceRequest, snapshot: PoolSnapshot): Scheduled {
    return this.#scheduler.schedule({ request, snapshot });
  }

  /** Tells plugins that the request leaves for its endpoint; returns those that follow it. */
  sent(sent: SentRequest): readonly RequestFollower[] {
    const followers = this.#scheduler.sent(sent);
    const isAsked =
      this.#parts.hasDebugHeader &&
      valueOf(sent.context.request.head.headers, headerTable.debug) === "true";
    return isAsked ? [...followers, decisionHeaderOf(sent)] : followers;
  }
}

/** The request with what headers and configuration add; the same object if they add nothing. */
function described(
  request: InferenceRequest,
  priority: number,
  targetModel: string,
): InferenceRequest {
  const isSame = priority === request.priority && targetModel === request.targetModel;
  return isSame ? request : { ...request, priority, targetModel };
}

/** Tells the client the id under which the decision about its request can be looked up. */
function decisionHeaderOf({ decision }: SentRequest): RequestFollower {
  return { responseHead: () => [[headerTable.decision.name, String(decision.recordId)]] };
}
