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
 * Raises the rate in steps until engines or gateway are saturated. Each step is a scenario, so the
 * summary shows which rate the pool still took: the trends have the tag `step`.
 */
const rateMax = numberOf("RATE_MAX", 100);
const steps = Math.min(20, Math.ceil(numberOf("STEPS", 5)));
const stepSeconds = numberOf("STEP_SECONDS", 20);
const promptTokens = numberOf("PROMPT_TOKENS", 400);
const answerTokens = numberOf("MAX_TOKENS", 32);

const stepDuration = new Trend("step_duration", true);
const stepAnswered = new Rate("step_answered");
const refused = new Counter("refused");
const withRetryAfter = new Rate("refused_with_retry_after");

// Above saturation refusals are what a gateway should answer.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 429, 503));

const stepNumbers = Array.from({ length: steps }, (_, index) => index + 1);

export const options = {
  scenarios: Object.fromEntries(
    stepNumbers.map((step) => [
      `step_${step}`,
      {
        executor: "constant-arrival-rate",
        exec: "arrive",
        rate: Math.max(1, Math.round((rateMax * step) / steps)),
        timeUnit: "1s",
        startTime: `${(step - 1) * stepSeconds}s`,
        duration: `${stepSeconds}s`,
        gracefulStop: "10s",
        preAllocatedVUs: numberOf("VUS", 50),
        maxVUs: numberOf("VUS_MAX", 500),
        env: { STEP: String(step) },
        tags: { step: String(step) },
      },
    ]),
  ),
  thresholds: {
    // Never anything but an answer or a refusal that says when to come back.
    checks: [{ threshold: "rate>0.99", abortOnFail: true, delayAbortEval: "10s" }],
    refused_with_retry_after: ["rate>0.99"],
    "step_answered{step:1}": ["rate>0.99"],
    ...Object.fromEntries(
      stepNumbers.flatMap((step) => [[`step_duration{step:${step}}`, ["p(95)>=0"]]]),
    ),
  },
};

export const setup = findModel;

/** One request of the step that `STEP` names. */
export function arrive({ model }: Pool): void {
  const step = textOf("STEP", "1");
  const messages = messagesOf({
    application: `application ${__VU % 8}`,
    question: `step ${step} user ${__VU} request ${__ITER}`,
    promptTokens,
  });
  const response = http.post(
    `${target}/v1/chat/completions`,
    JSON.stringify({ model, messages, max_tokens: answerTokens }),
    { headers: headersOf(), timeout: requestTimeoutMs },
  );
  const { status } = response;
  const isRefused = status === 429 || status === 503;
  check(response, { "answered or refused": () => status === 200 || isRefused });
  stepAnswered.add(status === 200, { step });
  if (status === 200) stepDuration.add(response.timings.duration, { step });
  if (isRefused) {
    refused.add(1, { step });
    withRetryAfter.add(Object.keys(response.headers).some((name) => /^retry-after$/i.test(name)));
  }
}
