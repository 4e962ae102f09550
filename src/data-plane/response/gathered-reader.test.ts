import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatheredReader } from "./gathered-reader.ts";
import { SseAnswerReader } from "./sse-answer-reader.ts";

const plainReader = () => new SseAnswerReader({ eventBytesMax: 1_048_576, promisesMarker: true });
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const token = data({ id: "c", choices: [{ index: 0, delta: { content: " token" } }] });
const usage = data({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 2 } });

describe("a gathered reader", () => {
  it("reads every chunk at once until the first token, and then about 4 KiB together", () => {
    const pushed: number[] = [];
    const reader = plainReader();
    const push = reader.push.bind(reader);
    reader.push = (chunk) => {
      pushed.push(chunk.byteLength);
      push(chunk);
    };
    const gathered = new GatheredReader(reader);
    const role = Buffer.from(data({ choices: [{ delta: { role: "assistant" } }] }));
    const piece = Buffer.from(token);
    gathered.push(role);
    gathered.push(piece);
    expect(pushed).toEqual([role.length, piece.length]);
    expect(gathered.hasBegun).toBe(true);
    const together = Math.floor(4_096 / piece.length);
    for (let index = 0; index < together + 1; index += 1) gathered.push(piece);
    expect(pushed.slice(2)).toEqual([together * piece.length]);
    gathered.end(true);
    expect(pushed.slice(3)).toEqual([piece.length]);
  });

  it("has read all bytes at every question", () => {
    const gathered = new GatheredReader(plainReader());
    for (const text of [token, token]) gathered.push(Buffer.from(text));
    expect(gathered.isComplete).toBe(false);
    gathered.push(Buffer.from(usage));
    expect(gathered.usage).toMatchObject({ promptTokens: 9, outputTokens: 2 });
    gathered.push(Buffer.from("data: [DO"));
    gathered.push(Buffer.from("NE]\n\n"));
    expect(gathered.isComplete).toBe(true);
  });

  it("tells the same as a reader that reads each chunk, whatever comes and is asked", () => {
    const texts = fc.constantFrom(
      ...[
        token,
        token,
        token,
        usage,
        "data: [DONE]\n\n",
        ": comment\n\n",
        "event: ping\ndata: {}\n\n",
      ],
      ...[data({ error: { code: 500 } }), data({ choices: [{ finish_reason: "stop" }] }), "\r"],
      ...[
        data({ choices: [{ delta: { content: "x".repeat(1_500) } }] }),
        "data: {",
        '"usage":{}}\n',
      ],
    );
    const steps = fc.array(
      fc.tuple(
        texts,
        fc.nat(60),
        fc.constantFrom("usage", "failure", "isComplete", "id", "no", "no"),
      ),
      { maxLength: 80 },
    );
    fc.assert(
      fc.property(steps, fc.boolean(), (all, isWhole) => {
        const plain = plainReader();
        const gathered = new GatheredReader(plainReader());
        for (const [text, cut, question] of all) {
          const bytes = Buffer.from(text);
          for (const chunk of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
            plain.push(chunk);
            const passed = Buffer.from(chunk);
            gathered.push(passed);
            // The reader must not keep a chunk.
            passed.fill(0x21);
            expect(gathered.hasBegun).toBe(plain.hasBegun);
          }
          const answerOf = (reader: typeof plain | typeof gathered) =>
            question === "no" ? undefined : reader[question];
          expect(answerOf(gathered)).toEqual(answerOf(plain));
        }
        plain.end(isWhole);
        gathered.end(isWhole);
        for (const name of [
          "usage",
          "failure",
          "isComplete",
          "id",
          "events",
          "hasBegun",
        ] as const) {
          expect(gathered[name]).toEqual(plain[name]);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
