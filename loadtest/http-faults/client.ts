import { type Agent, type IncomingMessage, request } from "node:http";

/**
 * What a client saw.
 *
 * - `ok`: the whole stream.
 * - `error event`: a stream with an error that it can read.
 * - `cut`: a stream that broke off without an error.
 * - `false end`: a stream that ended as complete and was not.
 * - `no answer`: the connection failed before any answer.
 * - a status of an error.
 */
export type Outcome = "ok" | "error event" | "cut" | "false end" | "no answer" | `${number}`;

export interface Seen {
  readonly outcome: Outcome;
  readonly tookMs: number;
}

const done = "data: [DONE]\n\n";

/** Sends one streamed chat, and reads its answer to the end. */
export async function askOnce(origin: string, agent: Agent, text: string): Promise<Seen> {
  const startMs = performance.now();
  const outcome = await outcomeOf(origin, agent, text);
  return { outcome, tookMs: performance.now() - startMs };
}

async function outcomeOf(origin: string, agent: Agent, text: string): Promise<Outcome> {
  const messages = [{ role: "user", content: text }];
  const body = JSON.stringify({ model: "sim-model", stream: true, messages });
  const outgoing = request(`${origin}/v1/chat/completions`, {
    method: "POST",
    agent,
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
  });
  const answer = await new Promise<IncomingMessage | undefined>((resolve) => {
    outgoing.once("response", resolve);
    outgoing.once("error", () => resolve(undefined));
    outgoing.end(body);
  });
  if (answer === undefined) return "no answer";
  const received = await textOf(answer);
  if (answer.statusCode !== 200) return `${answer.statusCode ?? 0}`;
  if (answer.complete && /^data: \{"error":/mu.test(received)) return "error event";
  if (answer.complete) return received.endsWith(done) ? "ok" : "false end";
  return /\n\ndata: \{"error":[^\n]*\n\n$/u.test(received) ? "error event" : "cut";
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let received = "";
  try {
    for await (const chunk of answer) received += String(chunk);
  } catch {
    // `complete` tells whether anything is missing.
  }
  return received;
}
