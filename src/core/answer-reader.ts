import type { AnswerFailure } from "./answer-failure.ts";
import type { TokenUsage } from "./usage.ts";

/**
 * Reads a response body as it passes, for its usage, first token and failure. Never delays, changes or fails the body.
 */
export interface AnswerReader {
  /** Takes the next bytes of the body, cut anywhere. The caller may reuse them after the call. */
  push(chunk: Uint8Array): void;
  /** Ends the reading. `isWhole`: the body was transferred to its end. */
  end(isWhole: boolean): void;
  /** Usage that the engine has reported so far; undefined if it has reported none, or none that can be trusted. */
  readonly usage: TokenUsage | undefined;
  /** Id of the response or conversation; undefined if the body has none, or not at its known place. */
  readonly id: string | undefined;
  /** True if the body is a readable event stream, so that the first token is visible. */
  readonly isEventStream: boolean;
  /** True once the first token has arrived; for a body in which tokens are not visible, the first byte. */
  readonly hasBegun: boolean;
  /** True once the completion marker has arrived: only the end of the body is missing. */
  readonly isComplete: boolean;
  /** The failure that the body reports, or that its early end shows. */
  readonly failure: AnswerFailure | undefined;
}
