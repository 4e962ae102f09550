/** Token counts an engine reports for one finished request. */
export interface TokenUsage {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Prompt tokens the engine found in its prefix cache; undefined where it does not say. */
  readonly cachedTokens: number | undefined;
}
