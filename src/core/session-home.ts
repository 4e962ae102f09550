/**
 * The endpoint that has the context of a request's session in its cache, or stores it, as far as this picker knows.
 * Valid until the end of the decision that it was made for.
 */
export interface SessionHome {
  /** `Endpoint.slot`; the endpoint may not be among the candidates. */
  readonly slot: number;
  /**
   * Tokens of the context after the session's last request: its prompt and its output. An estimate until the engine
   * has reported them. The engine may have evicted them since.
   */
  readonly contextTokens: number;
  /** Monotonic milliseconds of that request. */
  readonly usedAtMs: number;
  /**
   * True if the endpoint stores the response or conversation that the request names. Other endpoints do not have it,
   * and the request's body lacks its text.
   */
  readonly isStored: boolean;
}
