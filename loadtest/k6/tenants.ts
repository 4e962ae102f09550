import { check } from "k6";
import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";
import { messagesOf } from "./prompts.ts";
import {
  findModel,
  headersOf,
  numberOf,
  type Pool,
  requestTimeoutMs,
  target,
  textOf,
} from "./settings.ts";

/**
 * Three tenants at the same time: people who wait for short answers, an application with one long
 * shared prompt, and a batch of long prompts that sends as fast as it is answered.
 */
const rate = numberOf("RATE", 5);
const duration = textOf("DURATION", "1m");

const tenantDuration = new Trend("tenant_duration", true);
const tenantAnswered = new Rate("tenant_answered");
const tenantRefused = new Counter("tenant_refused");

// A refusal is an answer of a gateway that protects its engines, not a failed request.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 429));

function arrivals(exec: string, share: number) {
  return {
    executor: "constant-arrival-rate",
    exec,
    rate: Math.max(1, Math.round(rate * share)),
    timeUnit: "1s",
    duration,
    preAllocatedVUs: numberOf("VUS", 20),
    maxVUs: numberOf("VUS_MAX", 200),
  };
}

export const options = {
  scenarios: {
    people: arrivals("people", 1),
    application: arrivals("application", 0.5),
    batch: { executor: "constant-vus", exec: "batch", vus: numberOf("BATCH_VUS", 4), duration },
  },
  thresholds: {
    "tenant_answered{tenant:people}": ["rate>0.99"],
    "tenant_answered{tenant:application}": ["rate>0.99"],
    "tenant_duration{tenant:people}": [`p(95)<${numberOf("PEOPLE_P95_MS", 5_000)}`],
    "tenant_duration{tenant:application}": [`p(95)<${numberOf("APPLICATION_P95_MS", 10_000)}`],
    // Without limits of their own: these make the summary show the tenant.
    "tenant_duration{tenant:batch}": ["p(95)>=0"],
    "tenant_refused{tenant:batch}": ["count>=0"],
  },
};

export const setup = findModel;

export function people({ model }: Pool): void {
  send({
    tenant: "people",
    model,
    application: `person ${__VU}`,
    promptTokens: 200,
    answerTokens: 64,
  });
}

export function application({ model }: Pool): void {
  send({
    tenant: "application",
    model,
    application: "assistant",
    promptTokens: 2_000,
    answerTokens: 64,
  });
}

export function batch({ model }: Pool): void {
  send({
    tenant: "batch",
    model,
    application: `file ${__ITER}`,
    promptTokens: 4_000,
    answerTokens: 128,
  });
}

interface Call {
  readonly tenant: "people" | "application" | "batch";
  readonly model: string;
  readonly application: string;
  readonly promptTokens: number;
  readonly answerTokens: number;
}

function send(call: Call): void {
  const { tenant, model, application: name, promptTokens, answerTokens } = call;
  const messages = messagesOf({
    application: name,
    question: `${tenant} ${__VU} request ${__ITER}`,
    promptTokens,
  });
  const response = http.post(
    `${target}/v1/chat/completions`,
    JSON.stringify({ model, messages, max_tokens: answerTokens }),
    { headers: tenantHeadersOf(tenant), timeout: requestTimeoutMs, tags: { tenant } },
  );
  const isAnswered = check(
    response,
    { "status is 200 or 429": ({ status }) => status === 200 || status === 429 },
    { tenant },
  );
  tenantAnswered.add(response.status === 200, { tenant });
  if (response.status === 429) tenantRefused.add(1, { tenant });
  if (isAnswered && response.status === 200) {
    tenantDuration.add(response.timings.duration, { tenant });
  }
}

/** The tenant's name for metrics and fairness, its objective (OBJECTIVE_BATCH=...), its key (API_KEY_BATCH=...). */
function tenantHeadersOf(tenant: Call["tenant"]): Readonly<Record<string, string>> {
  const objective = textOf(`OBJECTIVE_${tenant.toUpperCase()}`, "");
  const key = textOf(`API_KEY_${tenant.toUpperCase()}`, "");
  return headersOf({
    "x-llm-d-inference-fairness-id": tenant,
    ...(objective === "" ? {} : { "x-llm-d-inference-objective": objective }),
    ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
  });
}
