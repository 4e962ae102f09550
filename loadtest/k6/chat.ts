import { check, sleep } from "k6";
import http from "k6/http";
import { Rate, Trend } from "k6/metrics";
import { type Message, messagesOf, textNamed } from "./prompts.ts";
import {
  findModel,
  headersOf,
  numberOf,
  type Pool,
  requestTimeoutMs,
  target,
  textOf,
} from "./settings.ts";

/** Conversations of a few turns: each turn sends all that was said before. */
const turns = numberOf("TURNS", 3);
const promptTokens = numberOf("PROMPT_TOKENS", 400);
const answerTokens = numberOf("MAX_TOKENS", 64);
const pauseSeconds = Number(textOf("PAUSE_SECONDS", "1"));

/** System prompts that users share. */
const applications = numberOf("APPLICATIONS", 4);

const answered = new Rate("chat_answered");
const turnDuration = new Trend("chat_turn_duration", true);
const cachedShare = new Trend("chat_cached_share");

export const options = {
  scenarios: {
    chat: {
      executor: "constant-vus",
      exec: "converse",
      vus: numberOf("VUS", 8),
      duration: textOf("DURATION", "1m"),
    },
  },
  thresholds: {
    checks: ["rate>0.99"],
    chat_answered: ["rate>0.99"],
    chat_turn_duration: [`p(95)<${numberOf("P95_MS", 10_000)}`],
  },
};

export const setup = findModel;

/** One conversation. */
export function converse({ model }: Pool): void {
  const messages: Message[] = [
    ...messagesOf({
      application: `application ${__VU % applications}`,
      question: `user ${__VU} conversation ${__ITER}`,
      promptTokens,
    }),
  ];
  for (let turn = 0; turn < turns; turn += 1) {
    if (turn > 0) messages.push({ role: "user", content: textNamed(`turn ${turn}`, 20) });
    const answer = ask(model, messages, turn);
    if (answer === undefined) return;
    messages.push({ role: "assistant", content: answer });
    sleep(pauseSeconds);
  }
}

/** Sends a turn; its answer, or undefined if there is none to go on with. */
function ask(model: string, messages: readonly Message[], turn: number): string | undefined {
  const body = JSON.stringify({ model, messages, max_tokens: answerTokens });
  const response = http.post(`${target}/v1/chat/completions`, body, {
    headers: headersOf(),
    timeout: requestTimeoutMs,
    tags: { turn: String(turn) },
  });
  const text = response.status === 200 ? textIn(response) : undefined;
  const isAnswer = check(response, {
    "status is 200": ({ status }) => status === 200,
    "answer has text": () => text !== undefined,
  });
  answered.add(isAnswer);
  if (text === undefined) return undefined;
  turnDuration.add(response.timings.duration, { turn: String(turn) });
  const prompt = response.json("usage.prompt_tokens");
  const cached = response.json("usage.prompt_tokens_details.cached_tokens");
  if (typeof prompt === "number" && prompt > 0) {
    cachedShare.add((typeof cached === "number" ? cached : 0) / prompt, { turn: String(turn) });
  }
  return text;
}

function textIn(response: { json(path: string): unknown }): string | undefined {
  try {
    const text = response.json("choices.0.message.content");
    return typeof text === "string" ? text : undefined;
  } catch {
    // `json` throws if the body is none: that is a failed check, not a failed script.
    return undefined;
  }
}
