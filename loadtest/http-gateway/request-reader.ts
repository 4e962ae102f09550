const headEnd = "\r\n\r\n";
const chunksEnd = Buffer.from("0\r\n\r\n");
const streamMark = '"stream":true';

/** Bytes of a head, and of what is kept of a piece: more than any mark that is looked for. */
const headBytesMax = 64 * 1024;
const seamBytes = 16;

/**
 * Finds the end of a request, its path, and whether its answer is to be streamed, as cheaply as can
 * be. A body must not contain the end of a chunked one, and comes without pipelining.
 */
export class RequestReader {
  path = "";
  isStream = false;
  #head: Buffer | undefined;
  #hasHead = false;
  /** Body bytes to come; undefined for a chunked body. */
  #bytesLeft: number | undefined = 0;
  /** End of the pieces so far. */
  #seam: Buffer = Buffer.alloc(0);

  /** Takes a piece of the request; true with the last one. */
  push(piece: Buffer): boolean {
    const body = this.#hasHead ? piece : this.#bodyAfterHead(piece);
    if (body === undefined) return false;
    this.#look(body);
    if (this.#bytesLeft === undefined) return this.#seam.subarray(-5).equals(chunksEnd);
    this.#bytesLeft -= body.length;
    return this.#bytesLeft <= 0;
  }

  /** Makes ready for the next request. */
  reset(): void {
    this.#head = undefined;
    this.#hasHead = false;
    this.isStream = false;
    this.#seam = Buffer.alloc(0);
  }

  #bodyAfterHead(piece: Buffer): Buffer | undefined {
    const all = this.#head === undefined ? piece : Buffer.concat([this.#head, piece]);
    const end = all.indexOf(headEnd);
    if (end === -1) {
      if (all.length > headBytesMax) throw new Error("the head of a request is too large");
      this.#head = all;
      return undefined;
    }
    this.#hasHead = true;
    const head = all.toString("latin1", 0, end);
    this.path = /^\S+ ([^\s?]*)/.exec(head)?.[1] ?? "";
    const isChunked = /\r\ntransfer-encoding: *chunked/i.test(head);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? "0";
    this.#bytesLeft = isChunked ? undefined : Number(length);
    return all.subarray(end + headEnd.length);
  }

  /** Looks for the mark in this piece, and where it joins the one before. */
  #look(body: Buffer): void {
    const seam = this.#seam;
    const joined =
      seam.length === 0 ? body : Buffer.concat([seam, body.subarray(0, streamMark.length)]);
    this.isStream ||= joined.includes(streamMark) || (joined !== body && body.includes(streamMark));
    this.#seam =
      body.length >= seamBytes
        ? body.subarray(-seamBytes)
        : Buffer.concat([seam, body]).subarray(-seamBytes);
  }
}
