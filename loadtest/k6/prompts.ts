const words = ["route", "cache", "token", "batch", "queue", "model", "prompt", "engine", "prefix"];

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/**
 * Text of about that many tokens that depends on its name alone: the same name is the same prefix
 * for an engine's cache.
 */
export function textNamed(name: string, tokens: number): string {
  let state = 7;
  for (const character of name) state = (state * 31 + (character.codePointAt(0) ?? 0)) % 65_537;
  const parts = [name];
  while (parts.length < tokens) {
    state = (state * 75 + 74) % 65_537;
    parts.push(words[state % words.length] ?? "");
  }
  return parts.join(" ");
}

/** The prompt of an application: one of a few system prompts, and a question of its own. */
export function messagesOf(options: {
  readonly application: string;
  readonly question: string;
  readonly promptTokens: number;
}): readonly Message[] {
  const half = Math.ceil(options.promptTokens / 2);
  return [
    { role: "system", content: textNamed(options.application, half) },
    { role: "user", content: textNamed(options.question, half) },
  ];
}
