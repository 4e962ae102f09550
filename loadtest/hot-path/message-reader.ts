/** Fields of a `ProcessingResponse`, as the first byte of its encoding. */
export const answerTags = {
  requestHeaders: 0x0a,
  responseHeaders: 0x12,
  requestBody: 0x1a,
  responseBody: 0x22,
  immediate: 0x3a,
} as const;

const headBytes = 5;

/** `end_of_stream: true` of a streamed body, which ends its message. */
const endField = 0x10;
const endValue = 0x01;

/**
 * Splits the bytes of a gRPC stream into messages, wherever they are cut. It looks at the first byte of a message
 * and at its end, and decodes nothing else.
 */
export class MessageReader {
  readonly #onMessage: (tag: number, isEnd: boolean) => void;
  #headLength = 0;
  #left = 0;
  #tag = -1;
  #last = 0;
  #beforeLast = 0;
  /** Status of the last immediate answer; 0 if it was cut. */
  status = 0;

  /** `onMessage` gets the first byte, and true at the end of a body. */
  constructor(onMessage: (tag: number, isEnd: boolean) => void) {
    this.#onMessage = onMessage;
  }

  push(piece: Buffer): void {
    let at = 0;
    while (at < piece.length) {
      if (this.#headLength < headBytes) {
        this.#pushHead(piece[at] ?? 0);
        at += 1;
      } else at = this.#pushPayload(piece, at);
    }
  }

  #pushHead(byte: number): void {
    // The first byte says if the message is compressed; none is, since nobody asked for it.
    this.#left = this.#headLength === 0 ? 0 : this.#left * 256 + byte;
    this.#headLength += 1;
    this.#tag = -1;
    if (this.#headLength === headBytes && this.#left === 0) this.#end();
  }

  #pushPayload(piece: Buffer, from: number): number {
    const taken = Math.min(this.#left, piece.length - from);
    const end = from + taken;
    if (this.#tag === -1) this.#begin(piece, from);
    this.#beforeLast = taken > 1 ? (piece[end - 2] ?? 0) : this.#last;
    this.#last = piece[end - 1] ?? 0;
    this.#left -= taken;
    if (this.#left === 0) this.#end();
    return end;
  }

  #begin(piece: Buffer, from: number): void {
    this.#tag = piece[from] ?? 0;
    if (this.#tag === answerTags.immediate) this.status = statusIn(piece.subarray(from));
  }

  #end(): void {
    const isEnd = this.#beforeLast === endField && this.#last === endValue;
    this.#headLength = 0;
    this.#onMessage(this.#tag, isEnd);
  }
}

/** Of `immediate_response { status { code } }`, whose fields come first. */
function statusIn(message: Buffer): number {
  const afterOuter = skipLength(message, 1);
  if (message[afterOuter] !== 0x0a) return 0;
  const afterInner = skipLength(message, afterOuter + 1);
  if (message[afterInner] !== 0x08) return 0;
  const low = message[afterInner + 1] ?? 0;
  return low < 0x80 ? low : (low & 0x7f) + ((message[afterInner + 2] ?? 0) << 7);
}

/** The place after a varint. */
function skipLength(message: Buffer, from: number): number {
  let at = from;
  while (((message[at] ?? 0) & 0x80) !== 0) at += 1;
  return at + 1;
}
