const headEnd = "\r\n\r\n";
const chunksEnd = Buffer.from("\r\n0\r\n\r\n");
const headBytesMax = 64 * 1024;

/**
 * Finds the end of an answer, as cheaply as can be: a load must cost little next to what it
 * measures. A chunked answer ends where the bytes that end one are the last that came.
 */
export class AnswerReader {
  status = 0;
  /** Bytes of the body so far, with the frames of chunks. */
  bodyBytes = 0;
  /** True if the connection cannot serve another request. */
  isLast = false;
  #head: Buffer | undefined;
  #hasHead = false;
  #length: number | "chunked" | "until closed" = 0;
  #end: Buffer = Buffer.alloc(0);

  /** Takes a piece, which the caller may reuse after that; true with the last one. */
  push(piece: Buffer): boolean {
    const body = this.#hasHead ? piece : this.#bodyAfterHead(piece);
    if (body === undefined) return false;
    this.bodyBytes += body.length;
    if (typeof this.#length === "number") return this.bodyBytes >= this.#length;
    if (this.#length === "until closed") return false;
    const { length } = chunksEnd;
    if (body.length >= length) {
      const at = body.length - length;
      if (body.compare(chunksEnd, 0, length, at) === 0) return true;
      this.#end = Buffer.from(body.subarray(at));
      return false;
    }
    this.#end = Buffer.concat([this.#end, body]).subarray(-length);
    return this.#end.equals(chunksEnd);
  }

  /** The connection is closed; true if this ends the answer in good order. */
  close(): boolean {
    return this.#hasHead && this.#length === "until closed";
  }

  /** Makes ready for the next answer. */
  reset(): void {
    this.status = 0;
    this.bodyBytes = 0;
    this.#head = undefined;
    this.#hasHead = false;
    this.#end = Buffer.alloc(0);
  }

  #bodyAfterHead(piece: Buffer): Buffer | undefined {
    const all = this.#head === undefined ? piece : Buffer.concat([this.#head, piece]);
    const end = all.indexOf(headEnd);
    if (end === -1) {
      if (all.length > headBytesMax) throw new Error("the head of an answer is too large");
      this.#head = Buffer.from(all);
      return undefined;
    }
    const head = all.toString("latin1", 0, end).toLowerCase();
    this.#hasHead = true;
    this.status = Number(head.slice(9, 12));
    this.isLast = head.includes("\r\nconnection: close");
    this.#length = lengthIn(head);
    return all.subarray(end + headEnd.length);
  }
}

function lengthIn(head: string): number | "chunked" | "until closed" {
  if (head.includes("\r\ntransfer-encoding: chunked")) return "chunked";
  const digits = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  return digits === undefined ? "until closed" : Number(digits);
}
