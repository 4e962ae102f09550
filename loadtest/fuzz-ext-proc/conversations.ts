import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  type HeaderPair,
  preface,
  settingsOf,
  uint32,
} from "../fuzz-http/http2-frames.ts";
import type { Pick } from "../fuzz-http/pick.ts";
import { encode, header } from "../ext-proc-messages.ts";

/** Bytes of one connection, whose writes are cut at these places. */
export interface Conversation {
  readonly kind: string;
  readonly bytes: Buffer;
  readonly cuts: readonly number[];
  /** True if the client reads nothing. */
  readonly isDeaf: boolean;
}

const padded = 0x8;
const withPriority = 0x20;
const methods = [
  "/envoy.service.ext_proc.v3.ExternalProcessor/Process",
  "/grpc.health.v1.Health/Check",
  "/grpc.health.v1.Health/Watch",
  "/grpc.health.v1.Health/List",
  "/a.B/C",
  "",
];

const usual: readonly HeaderPair[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", methods[0] ?? ""],
  [":authority", "picker"],
  ["content-type", "application/grpc"],
  ["te", "trailers"],
];

const messages: readonly Buffer[] = [
  encode({
    request_headers: {
      headers: { headers: [header(":path", "/v1"), header("x-request-id", "r")] },
    },
  }),
  encode({ request_headers: { end_of_stream: true } }),
  encode({ request_body: { body: Buffer.from("{}") } }),
  encode({ request_body: { body: Buffer.alloc(5_000, "x"), end_of_stream: true } }),
  encode({ request_trailers: {} }),
  encode({ response_headers: { headers: { headers: [header(":status", "200")] } } }),
  encode({ response_body: { body: Buffer.alloc(300, "y") } }),
  encode({ response_body: { body: Buffer.from("z"), end_of_stream: true } }),
  encode({ response_trailers: {} }),
  encode({ metadata_context: { filter_metadata: { "envoy.lb.subset_hint": { fields: {} } } } }),
];

const greetings = [
  settingsOf([]),
  settingsOf([[4, 0]]),
  settingsOf([[4, 1]]),
  settingsOf([[4, 2 ** 31 - 1]]),
  settingsOf([
    [1, 0],
    [5, 2 ** 24 - 1],
  ]),
];

/** Makes the conversations of one seed. */
export class Conversations {
  readonly #pick: Pick;
  /** Frames of one connection at most. */
  readonly #framesMax: number;

  constructor(pick: Pick, framesMax: number) {
    this.#pick = pick;
    this.#framesMax = framesMax;
  }

  next(): Conversation {
    const pick = this.#pick;
    const kind = pick.of(kinds);
    const bytes = this.#bytesOf(kind);
    const cuts = Array.from({ length: pick.below(4) }, () => pick.below(bytes.length + 1));
    return { kind, bytes, cuts: cuts.toSorted((a, b) => a - b), isDeaf: pick.chance(0.1) };
  }

  #bytesOf(kind: (typeof kinds)[number]): Buffer {
    const pick = this.#pick;
    switch (kind) {
      case "garbage":
        return Buffer.from(pick.bytes(pick.below(2_000)), "latin1");
      case "garbage after the preface":
        return Buffer.concat([preface, Buffer.from(pick.bytes(pick.below(2_000)), "latin1")]);
      case "http1":
        return Buffer.from(`${pick.of(["GET", "PRI", "POST"])} / HTTP/1.1\r\nhost: a\r\n\r\n`);
      case "valid":
        return Buffer.concat(this.#valid());
      case "frames":
        return Buffer.concat([...this.#greeting(), ...this.#frames()]);
      case "mutated frames":
        return Buffer.concat(this.#mutated(this.#valid()));
      case "mutated bytes":
        return this.#flipped(Buffer.concat(this.#valid()));
      case "resets":
        return Buffer.concat([...this.#greeting(), ...this.#resets()]);
      case "flood":
        return Buffer.concat([...this.#greeting(), ...this.#flood()]);
      case "compression":
        return Buffer.concat([...this.#greeting(), ...this.#compression()]);
      case "lengths":
        return Buffer.concat([...this.#greeting(), this.#oversized()]);
    }
  }

  #greeting(): Buffer[] {
    return [preface, this.#pick.of(greetings)];
  }

  /** Streams that follow all rules, some of them interleaved. */
  #valid(): Buffer[] {
    const pick = this.#pick;
    const frames = this.#greeting();
    let next = 1;
    let open: number[] = [];
    while (frames.length < this.#framesMax) {
      if (open.length === 0 || (open.length < 20 && pick.chance(0.3))) {
        frames.push(this.#headers(next));
        open.push(next);
        next += 2;
      }
      const stream = pick.of(open);
      const ends = pick.chance(0.3);
      frames.push(...this.#data(stream, pick.of(messages), ends && pick.chance(0.5)));
      if (ends) {
        if (pick.chance(0.5)) frames.push(frameOf(frameTypes.reset, 0, stream, uint32(8)));
        open = open.filter((each) => each !== stream);
      }
      if (pick.chance(0.1))
        frames.push(
          frameOf(frameTypes.windowUpdate, 0, pick.of([0, stream]), uint32(1 + pick.below(70_000))),
        );
      if (pick.chance(0.02)) frames.push(frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)));
      if (pick.chance(0.01)) frames.push(settingsOf([[4, pick.below(200_000)]]));
    }
    return frames;
  }

  #headers(stream: number): Buffer {
    const pick = this.#pick;
    const changes: HeaderPair[] = [];
    if (pick.chance(0.2)) changes.push([":path", pick.of(methods)]);
    if (pick.chance(0.05)) changes.push(["grpc-timeout", pick.of(["1m", "20S", "x", "1n"])]);
    if (pick.chance(0.05)) changes.push(["content-length", pick.of(["0", "5", "x"])]);
    if (pick.chance(0.05)) changes.push(["content-type", "text/plain"]);
    const headers = [...new Map([...usual, ...changes])];
    const flags = endHeaders | (pick.chance(0.05) ? endStream : 0);
    return frameOf(frameTypes.headers, flags, stream, blockOf(headers));
  }

  /** A message in one frame of data or several. */
  #data(stream: number, message: Buffer, isLast: boolean): Buffer[] {
    const pick = this.#pick;
    const pieces: Buffer[] = [];
    let at = 0;
    while (at < message.length) {
      const end = pick.chance(0.7) ? message.length : at + 1 + pick.below(message.length - at);
      const isEnd = isLast && end === message.length;
      pieces.push(
        frameOf(frameTypes.data, isEnd ? endStream : 0, stream, message.subarray(at, end)),
      );
      at = end;
    }
    return pieces;
  }

  /** Frames of any type, mostly of lengths and streams that exist. */
  #frames(): Buffer[] {
    const pick = this.#pick;
    return Array.from({ length: pick.below(this.#framesMax) }, (_, index) => {
      if (pick.chance(0.3)) return this.#headers(2 * index + 1);
      const type = pick.chance(0.9) ? pick.of([0, 0, 0, 2, 3, 8, 6, 4, 11]) : pick.below(256);
      const stream = type === 4 || type === 6 ? 0 : 2 * pick.below(index + 1) + 1;
      const length = pick.chance(0.9) ? (lengthOf[type] ?? pick.below(60)) : pick.below(300);
      const flags = pick.chance(0.8) ? pick.of([0, endStream]) : pick.below(256);
      return frameOf(type, flags, stream, Buffer.from(pick.bytes(length), "latin1"));
    });
  }

  #mutated(frames: Buffer[]): Buffer[] {
    const pick = this.#pick;
    const changed = [...frames];
    for (let left = pick.below(5); left >= 0; left -= 1) {
      const at = 2 + pick.below(changed.length - 2);
      const frame = changed[at];
      if (frame === undefined) break;
      const change = pick.of(changes);
      if (change === "drop") changed.splice(at, 1);
      else if (change === "repeat") changed.splice(at, 0, frame);
      else if (change === "cut") changed[at] = frame.subarray(0, pick.below(frame.length));
      else if (change === "flip") changed[at] = this.#flipped(frame);
      else changed[at] = withFlags(frame, pick.of([padded, withPriority, 0xff, 0]));
    }
    return changed;
  }

  #flipped(bytes: Buffer): Buffer {
    const pick = this.#pick;
    const changed = Buffer.from(bytes);
    for (let change = 0; change <= pick.below(6); change += 1) {
      changed[pick.below(changed.length)] = pick.below(256);
    }
    return changed;
  }

  #resets(): Buffer[] {
    const pick = this.#pick;
    const withMessage = pick.chance(0.7);
    return Array.from({ length: this.#framesMax / 2 }, (_, index) => {
      const stream = 2 * index + 1;
      const message = withMessage ? this.#data(stream, pick.of(messages), false) : [];
      const reset = frameOf(frameTypes.reset, 0, stream, uint32(8));
      return Buffer.concat([this.#headers(stream), ...message, reset]);
    });
  }

  #flood(): Buffer[] {
    const pick = this.#pick;
    const frame = pick.of([
      frameOf(frameTypes.ping, 0, 0, Buffer.alloc(8)),
      settingsOf([[4, pick.below(1_000)]]),
      frameOf(frameTypes.data, 0, 1, Buffer.alloc(0)),
      frameOf(frameTypes.priority, 0, 1, Buffer.alloc(5)),
      frameOf(frameTypes.windowUpdate, 0, 0, uint32(1)),
      frameOf(frameTypes.windowUpdate, 0, 1, uint32(1)),
      frameOf(0x30, 0, 0, Buffer.alloc(3)),
    ]);
    return [this.#headers(1), ...Array.from({ length: this.#framesMax }, () => frame)];
  }

  /** Blocks of compressed headers: any bytes, and all forms with any numbers. */
  #compression(): Buffer[] {
    const pick = this.#pick;
    return Array.from({ length: pick.below(200) }, (_, index) => {
      const stream = 2 * index + 1;
      const usualBlock = blockOf(usual);
      const fields = Array.from({ length: pick.below(6) }, () => this.#field());
      const block = pick.chance(0.05)
        ? Buffer.from(pick.bytes(pick.below(80)), "latin1")
        : Buffer.concat([
            ...(pick.chance(0.1) ? [Buffer.from([0x20])] : []),
            usualBlock,
            ...fields,
          ]);
      if (pick.chance(0.8)) return frameOf(frameTypes.headers, endHeaders, stream, block);
      const cut = pick.below(block.length + 1);
      return Buffer.concat([
        frameOf(frameTypes.headers, 0, stream, block.subarray(0, cut)),
        frameOf(frameTypes.continuation, endHeaders, stream, block.subarray(cut)),
      ]);
    });
  }

  #field(): Buffer {
    const pick = this.#pick;
    const name = `x-${"abcdefgh"[pick.below(8)] ?? ""}`;
    const value = "v".repeat(pick.below(pick.chance(0.1) ? 3_000 : 30));
    const literal = blockOf([[name, value]]);
    if (pick.chance(0.5)) return literal;
    // The same literal, kept in the table; or a field that a table may have.
    if (pick.chance(0.8)) return withFirstByte(literal, 0x40);
    return Buffer.from([0x80 | (1 + pick.below(pick.chance(0.95) ? 62 : 90))]);
  }

  /** A head whose length or message claims more than comes. */
  #oversized(): Buffer {
    const pick = this.#pick;
    const head = Buffer.from(
      frameOf(pick.below(10), pick.below(256), pick.below(4), Buffer.alloc(0)),
    );
    head.writeUIntBE(pick.of([16_384, 65_536, 1_048_576, 1_048_577, 2 ** 24 - 1]), 0, 3);
    const message = Buffer.alloc(5);
    message.writeUInt32BE(pick.of([1_048_576, 2 ** 31, 2 ** 32 - 1]), 1);
    return Buffer.concat([
      this.#headers(1),
      ...this.#data(1, message, false),
      head,
      Buffer.from(pick.bytes(pick.below(3_000)), "latin1"),
    ]);
  }
}

const kinds = [
  "garbage",
  "garbage after the preface",
  "http1",
  "valid",
  "valid",
  "frames",
  "mutated frames",
  "mutated bytes",
  "resets",
  "flood",
  "compression",
  "lengths",
] as const;

/** Changes of one frame among others. */
const changes = ["drop", "repeat", "cut", "flip", "flags"] as const;

/** Lengths of frames of fixed size, by type. */
const lengthOf: Readonly<Record<number, number>> = { 2: 5, 3: 4, 4: 0, 6: 8, 8: 4 };

function withFlags(frame: Buffer, flags: number): Buffer {
  const changed = Buffer.from(frame);
  changed[4] = (changed[4] ?? 0) ^ flags;
  return changed;
}

function withFirstByte(bytes: Buffer, first: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[0] = first;
  return changed;
}
