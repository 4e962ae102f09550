import type { Random } from "../std/random.ts";

export const model = "sim-model";
export const adapters: readonly string[] = ["adapter-formal", "adapter-terse"];

/** Conversations going on at a time. */
const conversationsMax = 12;

/** Every how many conversations one talks to an adapter instead of the base model. */
const conversationsPerAdapter = 4;

/** Turns after which a conversation is over and another begins. */
const turnsMax = 6;

/** Different system prompts, each shared by many conversations. */
const systemPrompts = 3;

/** Sizes in words of about 6 bytes, which are 1.5 tokens each. */
const systemWords = 500;
const questionWords = { min: 30, max: 300 };
const answerWords = { min: 20, max: 120 };
const documentWords = { min: 800, max: 2_000 };
const outputTokens = { min: 16, max: 160 };

/** Shares of the load; the rest are turns of conversations. */
const shares = { models: 0.03, embeddings: 0.07, documents: 0.1 };
const streamedShare = 0.7;

const words =
  "amber bridge canal depot engine freight gravel harbor iron junction kettle lantern meadow night orchard platform quarry river signal timber".split(
    " ",
  );

/** One request of the demo's load. */
export interface LoadRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly isStream: boolean;
  /** JSON; undefined for a request without a body. */
  readonly body: string | undefined;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

interface Conversation {
  readonly model: string;
  readonly messages: Message[];
  turns: number;
}

/**
 * Requests as a mixed service sees them: conversations that grow turn by turn behind shared
 * system prompts, some of them with an adapter, long documents, embeddings, model lists.
 */
export class Workload {
  readonly #random: Random;
  readonly #systems: readonly string[];
  readonly #conversations: Conversation[];
  #begun = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#systems = Array.from({ length: systemPrompts }, () => this.#text(systemWords));
    this.#conversations = Array.from({ length: conversationsMax }, () => this.#begin());
  }

  next(): LoadRequest {
    const drawn = this.#random();
    if (drawn < shares.models) {
      return { method: "GET", path: "/v1/models", isStream: false, body: undefined };
    }
    if (drawn < shares.models + shares.embeddings) {
      const body = JSON.stringify({ model, input: this.#textOf(questionWords) });
      return { method: "POST", path: "/v1/embeddings", isStream: false, body };
    }
    if (drawn < shares.models + shares.embeddings + shares.documents) {
      const content = `Summarize this:\n${this.#textOf(documentWords)}`;
      return this.#chat({ model, messages: [{ role: "user", content }] });
    }
    return this.#chat(this.#nextTurn());
  }

  #chat(chat: { readonly model: string; readonly messages: readonly Message[] }): LoadRequest {
    const isStream = this.#random() < streamedShare;
    const body = JSON.stringify({
      model: chat.model,
      messages: chat.messages,
      max_tokens: this.#between(outputTokens),
      ...(isStream ? { stream: true, stream_options: { include_usage: true } } : {}),
    });
    return { method: "POST", path: "/v1/chat/completions", isStream, body };
  }

  #nextTurn(): Conversation {
    const index = Math.floor(this.#random() * this.#conversations.length);
    let conversation = this.#conversations[index];
    if (conversation === undefined || conversation.turns === turnsMax) {
      this.#conversations[index] = conversation = this.#begin();
    }
    if (conversation.turns > 0) {
      // The load is open: a turn does not wait for the answer before it, so it makes one up.
      conversation.messages.push({ role: "assistant", content: this.#textOf(answerWords) });
    }
    conversation.messages.push({ role: "user", content: this.#textOf(questionWords) });
    conversation.turns += 1;
    return conversation;
  }

  #begin(): Conversation {
    const number = this.#begun;
    this.#begun += 1;
    const isAdapted = number % conversationsPerAdapter === conversationsPerAdapter - 1;
    const adapter = adapters[Math.floor(number / conversationsPerAdapter) % adapters.length];
    const content = this.#systems[number % this.#systems.length] ?? "";
    return {
      model: isAdapted && adapter !== undefined ? adapter : model,
      messages: [{ role: "system", content }],
      turns: 0,
    };
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
