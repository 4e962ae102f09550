/** Weight of one request in a share: about the last 50 count. */
const weight = 0.02;
/** Weight of one stream in the share that shows first tokens. It is larger, because queues depend on it. */
const streamWeight = 0.1;
/** Share of streams from which first tokens are expected. */
const streamShareMin = 0.5;

/** Facts about an answer that ended well. */
interface AnswerFacts {
  /** True if the client asked for a stream. */
  readonly isStreaming: boolean;
  /** True if the first token of a stream was seen. */
  readonly showsFirstToken: boolean;
  /** True if the engine reported how many tokens of the prompt it had cached. */
  readonly hasCachedTokens: boolean;
}

/**
 * The inputs of predictions that recent requests had, each as a share: predictions work without any of them, and each
 * makes them better. NaN before the first request.
 */
export class LatencyInputs {
  #promptTokens = Number.NaN;
  #firstTokens = Number.NaN;
  #cachedTokens = Number.NaN;
  /** Of streams alone; they are expected to show first tokens until they do not. */
  #streams = 1;

  /** Share of requests whose prompt was read. */
  get promptTokens(): number {
    return this.#promptTokens;
  }

  /** Share of answers whose first token was seen. */
  get firstTokens(): number {
    return this.#firstTokens;
  }

  /** Share of answers that report cached tokens. */
  get cachedTokens(): number {
    return this.#cachedTokens;
  }

  /** False if recent streams showed no first token: the gateway does not show bodies, or they are compressed. */
  get streamsShowFirstTokens(): boolean {
    return this.#streams >= streamShareMin;
  }

  noteRequest(hasPromptTokens: boolean): void {
    this.#promptTokens = moved(this.#promptTokens, hasPromptTokens);
  }

  noteAnswer({ isStreaming, showsFirstToken, hasCachedTokens }: AnswerFacts): void {
    this.#firstTokens = moved(this.#firstTokens, showsFirstToken);
    this.#cachedTokens = moved(this.#cachedTokens, hasCachedTokens);
    if (isStreaming) this.#streams += streamWeight * (Number(showsFirstToken) - this.#streams);
  }
}

/** The first request is the whole share. */
function moved(share: number, isThere: boolean): number {
  const value = Number(isThere);
  return Number.isNaN(share) ? value : share + weight * (value - share);
}
