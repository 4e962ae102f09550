/** The start option of each engine that switches something on. */
const flags = {
  prefixCaching: {
    vllm: "vLLM: --enable-prefix-caching in place of --no-enable-prefix-caching",
    sglang: "SGLang: drop --disable-radix-cache",
  },
  cachedTokens: {
    vllm: "vLLM: --enable-prompt-tokens-details (also left out by vLLM for 0 cached tokens)",
    sglang: "SGLang: --enable-cache-report",
  },
  adapters: {
    vllm: "vLLM: --enable-lora --max-loras N",
    sglang: "nothing to change: SGLang does not report it",
  },
} as const;

/** The line to change for an engine; those of all engines if its kind is unknown. */
export function flagOf(what: keyof typeof flags, engine: string | undefined): string {
  const lines: Readonly<Record<string, string>> = flags[what];
  return lines[engine ?? ""] ?? Object.values(lines).join("; ");
}
