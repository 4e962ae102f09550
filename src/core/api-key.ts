/** An API key of a client, or several that share a name and its limits. */
export interface ApiKey {
  /** Identifies the client in logs, metrics and decisions. */
  readonly name: string;
  /** SHA-256 of each key, in lower-case hexadecimal digits; the keys themselves are not kept. */
  readonly digests: readonly string[];
  /** Models that it may use; undefined for all. */
  readonly models: readonly string[] | undefined;
  /** Undefined for no limit. */
  readonly requestsPerMinute: number | undefined;
  /** Prompt and output tokens; undefined for no limit. */
  readonly tokensPerMinute: number | undefined;
}
