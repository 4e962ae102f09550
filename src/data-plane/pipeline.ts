import type { RequestHead } from "../core/request.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeParts } from "./exchange-parts.ts";

export type PipelineParts = Omit<ExchangeParts, "onWait">;

/** Entry of the data plane: every ingress begins each of its requests here. */
export class Pipeline {
  readonly #parts: ExchangeParts;
  readonly #retryingParts: ExchangeParts;
  #waitingRequests = 0;

  constructor(parts: PipelineParts) {
    this.#parts = { ...parts, onWait: (change) => void (this.#waitingRequests += change) };
    this.#retryingParts = { ...this.#parts, retries: true };
  }

  /** Number of requests that wait for admission. */
  get waitingRequests(): number {
    return this.#waitingRequests;
  }

  /**
   * `showsAnswer`: the ingress will pass the body of the response to `responseChunk`. `retries`: it connects to the
   * endpoint itself, and may call `retry`.
   */
  begin(head: RequestHead, showsAnswer: boolean, retries = false): Exchange {
    return new Exchange(head, retries ? this.#retryingParts : this.#parts, showsAnswer);
  }
}
