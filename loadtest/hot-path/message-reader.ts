/** Numbers of fields of a `ProcessingResponse`, for the kinds of its messages. */
export const answerKinds = {
  requestHeaders: 1,
  responseHeaders: 2,
  requestBody: 3,
  responseBody: 4,
  immediate: 7,
} as const;

const kinds = new Set<number>(Object.values(answerKinds));

const headBytes = 5;

/** Where `end_of_stream` of a body is: `response`, `body_mutation`, `streamed_response`, and itself. */
const endPath = [1, 3, 3] as const;
const endField = 2;

/** Where the status of an immediate answer is: `status`, and `code`. */
const statusField = 1;
const codeField = 1;

/**
 * Splits the bytes of a gRPC stream into messages, wherever they are cut, and reads of each its kind and the end
 * of a body. It decodes nothing else.
 */
export class MessageReader {
  readonly #onMessage: (kind: number, isEnd: boolean) => void;
  #headLength = 0;
  #length = 0;
  /** Pieces of a message that does not come in one. */
  #pieces: Buffer[] = [];
  #kept = 0;
  /** Status of the last immediate answer. */
  status = 0;

  /** `onMessage` gets the kind, 0 if there is none, and true at the end of a body. */
  constructor(onMessage: (kind: number, isEnd: boolean) => void) {
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
    this.#length = this.#headLength === 0 ? 0 : this.#length * 256 + byte;
    this.#headLength += 1;
    if (this.#headLength === headBytes && this.#length === 0) this.#read(Buffer.alloc(0));
  }

  #pushPayload(piece: Buffer, from: number): number {
    const end = from + Math.min(this.#length - this.#kept, piece.length - from);
    const part = piece.subarray(from, end);
    this.#kept += part.length;
    const isWhole = this.#kept === this.#length;
    if (isWhole && this.#pieces.length === 0) this.#read(part);
    else {
      // The piece is only lent.
      this.#pieces.push(Buffer.from(part));
      if (isWhole) this.#read(Buffer.concat(this.#pieces));
    }
    return end;
  }

  #read(message: Buffer): void {
    this.#headLength = 0;
    this.#kept = 0;
    this.#pieces = [];
    const fields = new Fields(message, 0, message.length);
    while (fields.next() && !kinds.has(fields.number)) continue;
    const kind = kinds.has(fields.number) ? fields.number : 0;
    if (kind === answerKinds.immediate) this.status = valueIn(fields, statusField, codeField);
    const isBody = kind === answerKinds.requestBody || kind === answerKinds.responseBody;
    this.#onMessage(kind, isBody && isEndOf(fields));
  }
}

function isEndOf(body: Fields): boolean {
  let fields = body;
  for (const number of endPath) {
    fields = fields.inner();
    while (fields.number !== number) if (!fields.next()) return false;
  }
  const streamed = fields.inner();
  while (streamed.next()) if (streamed.number === endField) return streamed.value === 1;
  return false;
}

/** The number in a field of a message in a message; 0 if it is left out. */
function valueIn(outer: Fields, messageField: number, field: number): number {
  const fields = outer.inner();
  while (fields.next()) {
    if (fields.number !== messageField) continue;
    const inner = fields.inner();
    while (inner.next()) if (inner.number === field) return inner.value;
  }
  return 0;
}

/** The fields of a message in the protobuf format, one after another. */
class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  /** Of the current field. */
  number = 0;
  /** A number, or the length of anything else. */
  value = 0;

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
  }

  /** Goes to the next field; false at the end. */
  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.number = tag >>> 3;
    const type = tag & 7;
    if (type === 0 || type === 2) this.value = this.#varint();
    else this.value = type === 1 ? 8 : 4;
    if (type !== 0) this.#at += this.value;
    return true;
  }

  /** The fields of the current field, which is a message. */
  inner(): Fields {
    return new Fields(this.#bytes, this.#at - this.value, this.#at);
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }
}
