import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type LogFile, LogSink, waitingBytesMax } from "./log-sink.ts";

type Done = Parameters<LogFile["write"]>[1];

/** A file whose writes wait until the test ends them. */
function slowFile() {
  const written: string[] = [];
  const open: { bytes: Buffer; done: Done }[] = [];
  const file: LogFile = {
    write: (bytes, done) => void open.push({ bytes, done }),
    writeNow: (bytes) => {
      written.push(bytes.toString());
      return bytes.length;
    },
  };
  return {
    file,
    open,
    /** The lines written so far. */
    lines: () => written.join("").split("\n").slice(0, -1),
    /** Ends the oldest write, after `most` bytes of it. */
    finish: (most = Infinity) => {
      const next = open.shift();
      if (next === undefined) return;
      const part = next.bytes.subarray(0, most);
      written.push(part.toString());
      next.done(null, part.length);
    },
    fail: (code: string) => open.shift()?.done(Object.assign(new Error(code), { code }), 0),
  };
}

function sinkOf(file: LogFile) {
  const clock = new FakeClock();
  const dropped: number[] = [];
  const sink = new LogSink({ file, clock, onDropped: (lines) => void dropped.push(lines) });
  return { sink, clock, dropped };
}

/** A line of so many bytes with its end. */
const lineOf = (bytes: number, text = "x") => `${text.padEnd(bytes - 1, ".")}\n`;

describe("LogSink", () => {
  it("writes lines together, 100 ms after the first one", async () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    sink.write("a\n");
    await clock.advance(60);
    sink.write("b\n");
    expect(slow.open).toHaveLength(0);
    await clock.advance(40);
    expect(slow.open.map(({ bytes }) => bytes.toString())).toEqual(["a\nb\n"]);
    slow.finish();
    expect(clock.pendingTimers).toBe(0);
  });

  it("writes a full batch of 32 KiB at once", () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    for (let index = 0; index < 32; index += 1) sink.write(lineOf(1_024));
    expect(slow.open.map(({ bytes }) => bytes.length)).toEqual([32_768]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("lets lines gather while a write is open, and writes them after it", async () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    sink.write("a\n");
    await clock.advance(100);
    sink.write("b\n");
    await clock.advance(1_000);
    expect(slow.open).toHaveLength(1);
    slow.finish();
    await clock.advance(100);
    slow.finish();
    expect(slow.lines()).toEqual(["a", "b"]);
  });

  it("continues after a write of a part, and after a full pipe", async () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    sink.write("abcdef\n");
    await clock.advance(100);
    slow.finish(3);
    slow.fail("EAGAIN");
    expect(slow.open).toHaveLength(0);
    await clock.advance(10);
    slow.finish();
    expect(slow.lines()).toEqual(["abcdef"]);
  });

  it("drops lines beyond its bound, counts them, and says so once there is room", () => {
    const slow = slowFile();
    const { sink, dropped } = sinkOf(slow.file);
    const line = lineOf(1_024);
    // Batches of 32 lines have buffers of 64 KiB: 4 MiB hold 64 of them. The 65th one gathers, and is not full.
    const taken = (waitingBytesMax / 65_536) * 32;
    for (let index = 0; index < taken + 10; index += 1) sink.write(line);
    expect(dropped).toEqual([]);
    while (slow.open.length > 0) slow.finish();
    expect(slow.lines()).toHaveLength(taken);
    expect(dropped).toEqual([10]);
    sink.write("next\n");
    expect(dropped).toEqual([10]);
  });

  it("loses only a batch to an error, and counts its lines", async () => {
    const slow = slowFile();
    const { sink, clock, dropped } = sinkOf(slow.file);
    sink.write("a\n");
    sink.write("b\n");
    await clock.advance(100);
    slow.fail("ENOSPC");
    expect(dropped).toEqual([2]);
    sink.write("c\n");
    await clock.advance(100);
    slow.finish();
    expect(slow.lines()).toEqual(["c"]);
  });

  it("writes nothing more once its reader has left", async () => {
    const slow = slowFile();
    const { sink, clock, dropped } = sinkOf(slow.file);
    sink.write("a\n");
    await clock.advance(100);
    slow.fail("EPIPE");
    sink.write("b\n");
    await clock.advance(1_000);
    await sink.end();
    expect([slow.open, dropped, clock.pendingTimers]).toEqual([[], [], 0]);
  });

  it("ends once all lines are written", async () => {
    const slow = slowFile();
    const { sink } = sinkOf(slow.file);
    sink.write("a\n");
    let hasEnded = false;
    const ended = sink.end().then(() => (hasEnded = true));
    await Promise.resolve();
    expect(hasEnded).toBe(false);
    slow.finish();
    await ended;
    expect(slow.lines()).toEqual(["a"]);
  });

  it("ends after 5 s if the reader takes nothing", async () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    sink.write("a\n");
    const ended = sink.end();
    await clock.advance(5_000);
    await expect(ended).resolves.toBeUndefined();
  });

  it("writes the rest at once if the process ends now", async () => {
    const slow = slowFile();
    const { sink, clock } = sinkOf(slow.file);
    sink.write("a\n");
    await clock.advance(100);
    sink.write("b\n");
    slow.finish();
    sink.endNow();
    expect(slow.lines()).toEqual(["a", "b"]);
  });

  it("writes any lines whole and in order, however they come and are written", async () => {
    const steps = fc.array(
      fc.oneof(
        fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => ({ text, repeat: 1 })),
        fc.record({ text: fc.constantFrom("é".repeat(900), "a".repeat(900)), repeat: fc.nat(80) }),
        fc.record({ text: fc.constant("long".repeat(9_000)), repeat: fc.nat(2) }),
        fc.record({ finishes: fc.integer({ min: 1, max: 40_000 }) }),
        fc.record({ waitsMs: fc.nat(150) }),
      ),
      { maxLength: 60 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const slow = slowFile();
        const pieces: Buffer[] = [];
        const { sink, clock } = sinkOf({
          ...slow.file,
          write: (bytes, done) =>
            slow.file.write(bytes, (cause, count) => {
              pieces.push(Buffer.from(bytes.subarray(0, count)));
              done(cause, count);
            }),
        });
        const expected: string[] = [];
        for (const step of all) {
          if ("finishes" in step) slow.finish(step.finishes);
          else if ("waitsMs" in step) await clock.advance(step.waitsMs);
          else {
            const line = step.text.replaceAll("\n", " ");
            for (let count = 0; count < step.repeat; count += 1) {
              expected.push(`${line}\n`);
              sink.write(`${line}\n`);
            }
          }
        }
        const ended = sink.end();
        while (slow.open.length > 0) slow.finish();
        await ended;
        expect(Buffer.concat(pieces).toString()).toBe(expected.join(""));
      }),
      { numRuns: 200 },
    );
  });
});
