import type { PromptNode } from "./prompt-tree.ts";

/** One request of a conversation. */
export interface PlannedTurn {
  readonly prompt: PromptNode;
  /** The prompt and the answer to it, which the next turn begins with. */
  readonly answered: PromptNode;
  readonly outputTokens: number;
  /** Milliseconds after the end of the answer before. */
  readonly thinkMs: number;
}

/** The parts of a recorded request besides its prompt. */
export interface AskedFor {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly isStreaming: boolean;
  readonly outputTokensMax: number | undefined;
}

/** The end of another conversation, which one waits for. */
interface Awaited {
  /** Its number. */
  readonly conversation: number;
  /** Milliseconds from its end. */
  readonly thinkMs: number;
}

/** Requests of one client, one after another. */
export interface Conversation {
  readonly number: number;
  readonly atMs: number;
  /** The conversation of the same plan that it begins after, in place of `atMs`. */
  readonly after?: Awaited | undefined;
  readonly turns: readonly PlannedTurn[];
  /** The adapter it names; undefined for the base model. */
  readonly adapter: string | undefined;
  readonly objective: string | undefined;
  readonly hasSessionKey: boolean;
  /** Undefined for a conversation that was made up. */
  readonly asked?: AskedFor | undefined;
}

/** The requests of a run: the same for every policy. */
export interface Plan {
  readonly conversations: readonly Conversation[];
  readonly adapters: readonly string[];
}
