import type { Random } from "../std/random.ts";

export const model = "sim-model";

/** One line for people about the requests of the load. */
export const loadText = "conversations with shared system prompts";

/** Different system prompts, each shared by a quarter of the conversations. */
const systemPrompts = 4;

/** Turns of a conversation, and the pause from one turn's arrival to the next one's. */
const turns = { min: 3, max: 8 };
const pauseMs = { min: 2_000, max: 6_000 };

/** Conversations at a time: above it, turns come before their pause is over. */
const conversationsMax = 2_000;

/** Sizes in words of about 6.7 bytes with their space, which are 1.7 tokens each. */
const systemWords = 700;
const firstWords = { min: 200, max: 900 };
const questionWords = { min: 30, max: 300 };
const answerWords = { min: 20, max: 70 };
const outputTokens = { min: 30, max: 120 };

const words =
  "amber bridge canal depot engine freight gravel harbor iron junction kettle lantern meadow night orchard platform quarry river signal timber".split(
    " ",
  );

/** One request of the demo's load. */
export interface LoadRequest {
  readonly path: string;
  /** JSON. */
  readonly body: string;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

interface Conversation {
  readonly messages: Message[];
  turnsLeft: number;
  dueMs: number;
}

/** Chats as a service sees them: conversations that grow turn by turn behind shared system prompts. */
export class Workload {
  readonly #random: Random;
  readonly #systems: readonly string[];
  /** Conversations that have another turn. */
  readonly #waiting = new Set<Conversation>();
  #begun = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#systems = Array.from({ length: systemPrompts }, () => this.#text(systemWords));
  }

  /** The request that arrives now: the turn that is due the longest, or else a new conversation. */
  next(nowMs: number): LoadRequest {
    const conversation = this.#due(nowMs) ?? this.#begin();
    const isFirst = conversation.messages.length === 1;
    if (!isFirst) {
      // Both pools get the same prompt, so the answer in it cannot be that of one of them.
      conversation.messages.push({ role: "assistant", content: this.#textOf(answerWords) });
    }
    const content = this.#textOf(isFirst ? firstWords : questionWords);
    conversation.messages.push({ role: "user", content });
    conversation.turnsLeft -= 1;
    conversation.dueMs = nowMs + this.#between(pauseMs);
    if (conversation.turnsLeft > 0) this.#waiting.add(conversation);
    return this.#chat(conversation.messages);
  }

  #due(nowMs: number): Conversation | undefined {
    let soonest: Conversation | undefined;
    for (const each of this.#waiting) {
      if (soonest === undefined || each.dueMs < soonest.dueMs) soonest = each;
    }
    if (soonest === undefined) return undefined;
    if (soonest.dueMs > nowMs && this.#waiting.size < conversationsMax) return undefined;
    this.#waiting.delete(soonest);
    return soonest;
  }

  #begin(): Conversation {
    const content = this.#systems[this.#begun % this.#systems.length] ?? "";
    this.#begun += 1;
    return {
      messages: [{ role: "system", content }],
      turnsLeft: this.#between(turns),
      dueMs: 0,
    };
  }

  #chat(messages: readonly Message[]): LoadRequest {
    const body = JSON.stringify({
      model,
      messages,
      max_tokens: this.#between(outputTokens),
      stream: true,
      stream_options: { include_usage: true },
    });
    return { path: "/v1/chat/completions", body };
  }

  #textOf(range: { readonly min: number; readonly max: number }): string {
    return this.#text(this.#between(range));
  }

  #text(wordCount: number): string {
    const drawn = Array.from(
      { length: wordCount },
      () => words[Math.floor(this.#random() * words.length)],
    );
    return drawn.join(" ");
  }

  #between({ min, max }: { readonly min: number; readonly max: number }): number {
    return min + Math.floor(this.#random() * (max - min + 1));
  }
}

/** A command to try the address by hand. */
export function curlLineOf(url: string): string {
  const body = { model, stream: true, messages: [{ role: "user", content: "Hello" }] };
  return (
    `curl -N ${url}/v1/chat/completions -H 'content-type: application/json' ` +
    `-d '${JSON.stringify(body)}'`
  );
}
