import type { PromptNode } from "./prompt-tree.ts";

/** Prompts and answers that a cache without an end would hold. */
export class SeenPrompts {
  readonly #nodes = new Set<PromptNode>();

  see(prompt: PromptNode): void {
    let node: PromptNode | undefined = prompt;
    while (node !== undefined && !this.#nodes.has(node)) {
      this.#nodes.add(node);
      node = node.parent;
    }
  }

  /** Tokens of a prompt that such a cache would have; the last one is always computed. */
  cachedTokens(prompt: PromptNode): number {
    let node: PromptNode | undefined = prompt;
    while (node !== undefined && !this.#nodes.has(node)) node = node.parent;
    return Math.min(node?.tokens ?? 0, prompt.tokens - 1);
  }
}
