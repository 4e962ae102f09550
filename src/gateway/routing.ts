import type { Configured } from "./configured.ts";
import type { RequestFollower } from "../core/request-follower.ts";
import type { HeaderPair, RequestHead } from "../core/request.ts";
import { shedding } from "../data-plane/admission/shed.ts";
import type { Routing } from "../data-plane/pipeline.ts";
import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { DecisionLog } from "../data-plane/scheduling/decision-log.ts";
import { Scheduler } from "../data-plane/scheduling/scheduler.ts";

/** Headers that name a request's objective, the newer one first. */
const objectiveHeaders = ["x-llm-d-inference-objective", "x-gateway-inference-objective"] as const;

const debugHeader = "x-pointsman-debug";
const decisionHeader = "x-pointsman-decision";

export interface RoutingOptions {
  /** Ignores the gateway's subset hint. */
  readonly ignoresSubset: boolean;
  /** The most that a compressed request body may have when decoded. */
  readonly bodyBytesMax: number;
  readonly log: DecisionLog;
}

/** What a configuration does with requests. */
export function routingOf(
  configured: Configured,
  { ignoresSubset, bodyBytesMax, log }: RoutingOptions,
): Routing {
  const { graph, reader, priorityOf, hasDebugHeader, refusesUnknownModels } = configured;
  const scheduler = new Scheduler(graph, { ignoresSubset, refusesUnknownModels, log });
  return {
    bodyUse: reader.bodyUse,
    parse: (head, body) => reader.parse(head, body, bodyBytesMax),
    usesModel: configured.usesModel,
    priorityOf: (head) => priorityOf(firstOf(head, objectiveHeaders) ?? "") ?? 0,
    targetModelOf: configured.rewriteModel,
    admit: (request, { endpoints, load, nowMs }) =>
      shedding(request, () => graph.detector.saturation(endpoints, load, nowMs)),
    schedule: (request, pool) => scheduler.schedule({ request, ...pool }),
    sent: (sent) => {
      const followers = scheduler.sent(sent);
      const isAsked =
        hasDebugHeader && sent.context.request.head.headers.get(debugHeader) === "true";
      return isAsked ? [...followers, decisionHeaderOf(sent)] : followers;
    },
  };
}

/** Tells the client under which id the decision about its request can be looked up. */
function decisionHeaderOf({ decision }: SentRequest): RequestFollower {
  const header: HeaderPair = [decisionHeader, String(decision.recordId)];
  return { responseHead: () => [header] };
}

function firstOf(head: RequestHead, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = head.headers.get(name);
    if (value !== undefined && value !== "") return value;
  }
  return undefined;
}
