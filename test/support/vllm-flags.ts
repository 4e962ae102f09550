/** Flags of `vllm serve` that the documents use. */
const known = new Set([
  ...["--api-key", "--enable-force-include-usage", "--enable-lora", "--enable-prefix-caching"],
  ...["--enable-prompt-tokens-details", "--host", "--lora-modules", "--model"],
  ...["--no-enable-prefix-caching", "--port"],
]);

/** The words of a command line or of prose that are flags. */
export function vllmFlagsIn(text: string): readonly string[] {
  return text.match(/--[a-z][a-z-]*/gu) ?? [];
}

/** Flags that vLLM does not have, as far as is known here. */
export function vllmMistakes(words: readonly string[]): readonly string[] {
  return words
    .filter((word) => word.startsWith("--"))
    .map((word) => word.split("=", 1)[0] ?? word)
    .filter((flag) => !known.has(flag));
}
