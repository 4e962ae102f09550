import type { AnswerFailure } from "./answer-failure.ts";
import type { TokenUsage } from "./usage.ts";

/** Reads along while a response body passes, to learn how the request went. Never delays, changes or fails the body. */
export interface AnswerReader {
  /** The next bytes of the body, cut anywhere. They may be reused after the call. */
  push(chunk: Uint8Array): void;
  /** Nothing more comes; `isWhole`: the body came to its own end. */
  end(isWhole: boolean): void;
  /** Usage that the engine has reported so far; undefined if there is none to trust. */
  readonly usage: TokenUsage | undefined;
  /** The body is a stream of events, in which the first token shows. */
  readonly isEventStream: boolean;
  /** The first token is there; of a body in which tokens do not show, the first byte. */
  readonly hasBegun: boolean;
  /** All that the API promises is there, by its completion marker: only the body's end is missing. */
  readonly isComplete: boolean;
  /** The failure that the body reports, or shows by ending early. */
  readonly failure: AnswerFailure | undefined;
}
