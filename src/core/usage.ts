/** Token counts that an engine reports for one finished request. */
export interface TokenUsage {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Prompt tokens that the engine found in its prefix cache; undefined if not reported. */
  readonly cachedTokens: number | undefined;
}
