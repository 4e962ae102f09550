import type { RequestHead } from "../core/request.ts";
import { Exchange, type ExchangeParts } from "./exchange.ts";

export type PipelineParts = Omit<ExchangeParts, "onWait">;

/** Entry of the data plane: every ingress begins each of its requests here. */
export class Pipeline {
  readonly #parts: ExchangeParts;
  #waitingRequests = 0;

  constructor(parts: PipelineParts) {
    this.#parts = { ...parts, onWait: (change) => void (this.#waitingRequests += change) };
  }

  /** Number of requests that wait for admission. */
  get waitingRequests(): number {
    return this.#waitingRequests;
  }

  /** `showsAnswer`: the ingress will pass the body of the response to `responseChunk`. */
  begin(head: RequestHead, showsAnswer: boolean): Exchange {
    return new Exchange(head, this.#parts, showsAnswer);
  }
}
