import {
  answerHeadOf,
  answerPieceOf,
  exchangeOf,
  numberOf,
  wholeAnswer,
} from "../ext-proc-messages.ts";
import { model } from "../http-gateway/answers.ts";

/** Prepared requests of one size, and the bytes that they may take together. */
const requestsMax = 256;
const requestBytesMax = 64 * 1024 * 1024;

/** A request whose number can be changed, so that no two have the same prompt. */
export class PreparedRequest {
  readonly messages: readonly Buffer[];
  readonly #marks: readonly { readonly message: Buffer; readonly at: number }[];

  constructor(bodyBytes: number, index: number, isStream: boolean) {
    this.messages = exchangeOf(bodyBytes, index, { model, isStream }).requestMessages;
    this.#marks = this.messages.flatMap((message) => {
      const at = message.indexOf(numberOf(index));
      return at === -1 ? [] : [{ message, at }];
    });
    if (this.#marks.length < 2)
      throw new Error(`a body of ${bodyBytes} bytes has no place for a number`);
  }

  /** Writes a number into the request's id and into the last quarter of its prompt. */
  number(value: number): void {
    const text = numberOf(value);
    for (const { message, at } of this.#marks) message.write(text, at, "latin1");
  }
}

/** As many requests as are worth preparing; the prompts of two share a prefix if their numbers share a rest of 64. */
export function preparedRequests(bodyBytes: number, isStream: boolean): readonly PreparedRequest[] {
  const count = Math.max(1, Math.min(requestsMax, Math.floor(requestBytesMax / bodyBytes)));
  return Array.from(
    { length: count },
    (_, index) => new PreparedRequest(bodyBytes, index, isStream),
  );
}

/** Messages of an engine's answer. */
export interface PreparedAnswer {
  readonly head: Buffer;
  readonly pieces: readonly Buffer[];
}

/** A whole answer, or one of so many events. */
export function preparedAnswer(chunks: number): PreparedAnswer {
  if (chunks === 0) {
    return { head: answerHeadOf("application/json"), pieces: [answerPieceOf(wholeAnswer, true)] };
  }
  const token = answerPieceOf(
    eventOf({ choices: [{ index: 0, delta: { content: " word" } }] }),
    false,
  );
  const usage = { prompt_tokens: 400, completion_tokens: chunks - 1, total_tokens: 399 + chunks };
  const last = Buffer.concat([eventOf({ choices: [], usage }), Buffer.from("data: [DONE]\n\n")]);
  return {
    head: answerHeadOf("text/event-stream"),
    pieces: [...Array.from({ length: chunks - 1 }, () => token), answerPieceOf(last, true)],
  };
}

function eventOf(fields: object): Buffer {
  const event = {
    id: "x",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model,
    ...fields,
  };
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`);
}
