import { check } from "k6";
import { Counter, Rate, Trend } from "k6/metrics";
import sse from "k6/x/sse";
import { messagesOf } from "./prompts.ts";
import { findModel, headersOf, numberOf, type Pool, target, textOf } from "./settings.ts";

/**
 * Streamed chats, with the time to the first token as a trend. k6 itself reads an answer as a whole,
 * and many engines send the head of a stream before they have a token, so its `http_req_waiting`
 * says nothing here: this script needs the extension xk6-sse.
 */
const promptTokens = numberOf("PROMPT_TOKENS", 400);
const answerTokens = numberOf("MAX_TOKENS", 64);
const applications = numberOf("APPLICATIONS", 4);

const timeToFirstToken = new Trend("time_to_first_token", true);
const timePerToken = new Trend("time_per_output_token", true);
const completed = new Rate("streams_completed");
const tokens = new Counter("tokens_received");

export const options = {
  scenarios: {
    streaming: {
      executor: "constant-vus",
      exec: "stream",
      vus: numberOf("VUS", 8),
      duration: textOf("DURATION", "1m"),
    },
  },
  thresholds: {
    checks: ["rate>0.99"],
    streams_completed: ["rate>0.99"],
    time_to_first_token: [`p(95)<${numberOf("TTFT_P95_MS", 2_000)}`],
    time_per_output_token: [`p(95)<${numberOf("TPOT_P95_MS", 200)}`],
  },
};

export const setup = findModel;

/** One streamed chat. */
export function stream({ model }: Pool): void {
  const messages = messagesOf({
    application: `application ${__VU % applications}`,
    question: `user ${__VU} request ${__ITER}`,
    promptTokens,
  });
  const body = JSON.stringify({ model, messages, max_tokens: answerTokens, stream: true });
  const seen = { firstMs: 0, lastMs: 0, tokens: 0, isDone: false, error: "" };
  const startMs = Date.now();
  const response = sse.open(
    `${target}/v1/chat/completions`,
    { method: "POST", headers: headersOf(), body },
    (client) => {
      client.on("event", ({ data }) => {
        if (data === "[DONE]") seen.isDone = true;
        else if (hasToken(data)) {
          seen.lastMs = Date.now();
          if (seen.tokens === 0) seen.firstMs = seen.lastMs;
          seen.tokens += 1;
        } else if (data.startsWith('{"error"')) seen.error = data;
      });
      client.on("error", (error) => {
        seen.error = error.error();
      });
    },
  );
  const isComplete = check(response, {
    "status is 200": ({ status }) => status === 200,
    "stream has tokens": () => seen.tokens > 0,
    "stream is complete": () => seen.isDone && seen.error === "",
  });
  completed.add(isComplete);
  tokens.add(seen.tokens);
  if (seen.tokens > 0) timeToFirstToken.add(seen.firstMs - startMs);
  if (seen.tokens > 1) timePerToken.add((seen.lastMs - seen.firstMs) / (seen.tokens - 1));
}

/** True for an event with text: the first one often has a role alone, the last one usage alone. */
function hasToken(data: string): boolean {
  try {
    // Checked as far as it is used.
    const { choices } = JSON.parse(data) as {
      choices?: readonly { delta?: { content?: unknown; reasoning_content?: unknown } }[];
    };
    const delta = choices?.[0]?.delta;
    return [delta?.content, delta?.reasoning_content].some(
      (text) => typeof text === "string" && text !== "",
    );
  } catch {
    return false;
  }
}
