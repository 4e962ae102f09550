import { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Output, Slabs } from "./output.ts";

/** A socket that keeps what is written. If it is slow, it takes each write only when `take` is called. */
class KeptSocket extends Writable {
  readonly writes: Buffer[] = [];
  readonly #isSlow: boolean;
  #pending: (() => void) | undefined;

  constructor(isSlow = false) {
    super({ highWaterMark: 1_000_000 });
    this.#isSlow = isSlow;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#keep([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#keep(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  /** Takes the write that waits: a real socket reads the memory as late as this. */
  take(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.();
  }

  #keep(chunks: readonly Buffer[], done: () => void): void {
    this.#pending = () => {
      this.writes.push(Buffer.concat(chunks));
      done();
    };
    if (!this.#isSlow) this.take();
  }
}

function anOutput(isSlow = false) {
  const socket = new KeptSocket(isSlow);
  // Of a duplex, the output uses the writable side alone.
  const output = new Output(socket as never, new Slabs());
  return { socket, output };
}

const patterned = (length: number, seed: number) =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff));

describe("Output", () => {
  it("writes the head of a frame", () => {
    const { socket, output } = anOutput();
    output.head((6 << 8) | 1, 0x7fff_fffe, 0x01_02_03);
    output.uint32(0xfedc_ba98);
    output.flush();
    expect(socket.writes).toEqual([
      Buffer.from("010203 06 01 7ffffffe fedcba98".replaceAll(" ", ""), "hex"),
    ]);
  });

  it("writes everything between two flushes at once", () => {
    const { socket, output } = anOutput();
    output.uint32(1);
    output.piece(patterned(10, 1), 0, 10);
    output.piece(patterned(50_000, 2), 100, 40_000);
    output.uint32(2);
    expect(socket.writes).toEqual([]);
    output.flush();
    output.flush();
    expect(socket.writes).toEqual([
      Buffer.concat([
        Buffer.from([0, 0, 0, 1]),
        patterned(10, 1),
        patterned(50_000, 2).subarray(100, 40_000),
        Buffer.from([0, 0, 0, 2]),
      ]),
    ]);
  });

  const step = fc.oneof(
    fc.record({ kind: fc.constant("copy" as const), length: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ kind: fc.constant("copy" as const), length: fc.integer({ min: 0, max: 40_000 }) }),
    fc.record({ kind: fc.constant("piece" as const), length: fc.integer({ min: 0, max: 9_000 }) }),
    fc.record({ kind: fc.constant("flush" as const), length: fc.constant(0) }),
    fc.record({ kind: fc.constant("take" as const), length: fc.constant(0) }),
  );

  it.each([false, true])(
    "keeps the order and the bytes, with a socket that is slow: %s",
    (isSlow) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const { socket, output } = anOutput(isSlow);
          const expected: Buffer[] = [];
          for (const [index, { kind, length }] of steps.entries()) {
            const bytes = patterned(length, index);
            if (kind === "flush") output.flush();
            else if (kind === "take") socket.take();
            else {
              output[kind](bytes, 0, length);
              expected.push(Buffer.from(bytes));
              // Copied bytes may change at once.
              if (kind === "copy") bytes.fill(0);
            }
          }
          output.flush();
          for (let write = 0; write <= steps.length; write += 1) socket.take();
          expect(Buffer.concat(socket.writes).equals(Buffer.concat(expected))).toBe(true);
        }),
      );
    },
  );
});
