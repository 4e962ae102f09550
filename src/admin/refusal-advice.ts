import type { DecisionRecord } from "../core/decision-record.ts";
import type { ErrorCode } from "../core/errors.ts";

/** The next step after a refusal: where the cause is seen, and what to change. */
export const refusalAdvice: Readonly<Record<ErrorCode, readonly string[]>> = {
  malformed_request: ["change the request: the message names the place in its body"],
  invalid_api_key: [
    "send a key of the file --api-keys-file as Authorization: Bearer KEY; pointsman_api_key_requests_total counts the keys in use",
  ],
  model_not_allowed: ["add the model to `models` of this key in --api-keys-file"],
  host_not_allowed: ["if clients address the gateway by this host, add it to --allowed-hosts"],
  origin_not_allowed: ["if this page may use the gateway, add its origin to --cors-origins"],
  model_not_found: [
    "ask for a model that is listed, or load this one",
    "models are listed by the engines at /v1/models; rejectUnknownModels of models-data-extractor refuses others",
  ],
  body_timeout: ["look at the network of the client, or raise --body-timeout"],
  body_too_large: ["send less, or raise --request-body-limit"],
  saturated: [
    "pointsman status shows the load: add engines if the pool is full, or give the objective a higher priority",
    "limits of the queue are in the section flowControl; /debug/queues shows those in force",
  ],
  wait_expired: [
    "the time is that of flowControl.defaultRequestTTL (or of its band), of noEndpointRequestTTL, or of the header x-llm-d-inference-ttl",
    "/debug/queues shows what held the band, and its longest flows",
  ],
  evicted: [
    "give the objective a priority of 0 or more, or set flowControl.enableEviction: false",
    "/debug/queues shows the bands that wait",
  ],
  queue_full: [
    "add engines, or raise --queue-max; --requests-max lets more run at once",
    "pointsman_gateway_requests shows how many run and wait",
  ],
  queue_timeout: ["add engines, or raise --requests-max or --queue-wait"],
  bodies_full: ["raise --held-bodies-limit if there is memory, or lower --request-body-limit"],
  rate_limit_exceeded: [
    "wait for retry-after, or change `requestsPerMinute` or `tokensPerMinute` of this key in --api-keys-file",
  ],
  no_endpoints: [
    "pointsman status lists endpoints that drain, are not ready or are left out, with the reason",
    "in a cluster: do the labels of ready pods match the selector of the pool?",
  ],
  overloaded: ["give the picker more CPU, use serve --workers, or run more replicas"],
  shutting_down: ["none if another replica takes the request: this one was stopping"],
  internal: ["report it: the log has `request handling failed (bug)` with this request's id"],
  upstream_unreachable: ["pointsman status shows if the endpoint is ejected; look at its log"],
  upstream_broken: ["look at the engine's log at this time: it broke off its answer"],
  upstream_timeout: [
    "the limits are --try-timeout until an answer begins, and --total-timeout; pointsman status shows the queue of the engine",
  ],
};

const engineFailed = "the engine's log at this time has the reason; docs/errors.md lists the codes";

/** By the code of an answer that failed. */
const failureAdvice: Readonly<Record<string, readonly string[]>> = {
  upstream_404: ["pointsman doctor shows if engines list different models", engineFailed],
  upstream_502: refusalAdvice.upstream_unreachable,
  upstream_503: [...refusalAdvice.upstream_unreachable, engineFailed],
  upstream_504: refusalAdvice.upstream_timeout,
  answer_truncated: refusalAdvice.upstream_broken,
};

/** The number of endpoints that were left after a step of a decision. */
export interface Stage {
  readonly stage: string;
  readonly left: number;
}

/** The steps of a decision, with the endpoints that each left. */
export function stagesOf(record: DecisionRecord): readonly Stage[] {
  const { leftOut, candidateCount, profiles } = record;
  const bySubset = leftOut.filter(({ reason }) => reason === "subset").length;
  const byModel = leftOut.length - bySubset;
  const allowed = candidateCount + byModel;
  const named = profiles.length > 1;
  return [
    { stage: "take requests", left: allowed + bySubset },
    ...(bySubset === 0 ? [] : [{ stage: "are in the gateway's subset", left: allowed }]),
    ...(byModel === 0 ? [] : [{ stage: "may serve the model", left: candidateCount }]),
    ...profiles.flatMap(({ name, unwell, filters }) => {
      const of = named ? `profile ${name}: ` : "";
      const begun = candidateCount - unwell.length;
      return [
        { stage: `${of}are well`, left: begun },
        filters.map(({ name: filter, keptCount }) => ({
          stage: `${of}pass the filter ${filter}`,
          left: keptCount,
        })),
      ].flat();
    }),
  ];
}

/** The next steps after a decision that refused a request. */
export function adviceOf(record: DecisionRecord): readonly string[] {
  const { refusal, profiles, leftOut, actual } = record;
  if (refusal === undefined) {
    if (actual?.failure === undefined || actual.attempt !== undefined) return [];
    return failureAdvice[actual.failure] ?? [engineFailed];
  }
  const advice = refusalAdvice[refusal];
  if (refusal === "no_endpoints" && leftOut.length > 0) {
    return ["the gateway's subset hint (Envoy's metadata) names none of the pool's endpoints"];
  }
  if (refusal !== "saturated") return advice;
  const last = profiles
    .flatMap(({ filters }) => filters)
    .find(({ keptCount, dropped }) => keptCount === 0 && dropped.length > 0);
  if (last !== undefined) {
    return [
      `the filter ${last.name} left no endpoint: compare its parameters (/debug/config) with the endpoints' labels and state (/debug/pool)`,
    ];
  }
  if (profiles.length === 0) return advice;
  return ["no profile chose an endpoint: look at the profile handler in /debug/config"];
}
