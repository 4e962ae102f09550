import type { Conversation } from "./conversation.ts";

/** Conversations that wait for the end of others. */
export class WaitingConversations {
  readonly #byAwaited = new Map<number, Conversation[]>();

  add(conversation: Conversation, awaited: number): void {
    const waiting = this.#byAwaited.get(awaited);
    if (waiting === undefined) this.#byAwaited.set(awaited, [conversation]);
    else waiting.push(conversation);
  }

  /** Those that wait for this one. */
  for({ number }: Conversation): readonly Conversation[] {
    return this.#byAwaited.get(number) ?? [];
  }
}
