import { describe, expect, it } from "vitest";
import { seededRandom } from "../std/random.ts";
import { numberOf, parseRecord, recordOf, textOf } from "./json.ts";
import { curlLineOf, type LoadRequest, model, Workload } from "./workload.ts";

/** Milliseconds between two requests of these tests: 5 requests a second. */
const gapMs = 200;

function drawn(count: number, seed = 1) {
  const workload = new Workload(seededRandom(seed));
  return Array.from({ length: count }, (_, index) => workload.next(index * gapMs));
}

function messagesOf({ body }: LoadRequest): readonly { role: string; content: string }[] {
  const messages = parseRecord(body)?.["messages"];
  return (Array.isArray(messages) ? messages : []).map((value: unknown) => ({
    role: textOf(recordOf(value)?.["role"]) ?? "",
    content: textOf(recordOf(value)?.["content"]) ?? "",
  }));
}

/** The first question of a conversation, which no other one has. */
const nameOf = (request: LoadRequest) => messagesOf(request)[1]?.content ?? "";

describe("Workload", () => {
  it("gives the same requests for the same seed and times", () => {
    expect(drawn(50)).toEqual(drawn(50));
    expect(drawn(50, 2)).not.toEqual(drawn(50));
  });

  it("streams every chat and asks for its usage", () => {
    for (const { path, body } of drawn(100)) {
      expect(path).toBe("/v1/chat/completions");
      const chat = parseRecord(body);
      expect(chat).toMatchObject({ model, stream: true, stream_options: { include_usage: true } });
      expect(numberOf(chat?.["max_tokens"])).toBeGreaterThanOrEqual(30);
    }
  });

  it("continues a conversation with all that it had, after a pause of 2 to 6 s and one late turn", () => {
    const lastOf = new Map<string, { readonly texts: readonly string[]; readonly atMs: number }>();
    const turns = drawn(1_000).map((request, index) => {
      const texts = messagesOf(request).map(({ content }) => content);
      const last = lastOf.get(nameOf(request));
      const atMs = index * gapMs;
      lastOf.set(nameOf(request), { texts, atMs });
      return { texts, last, pauseMs: atMs - (last?.atMs ?? 0) };
    });
    const later = turns.flatMap((turn) => {
      const { texts, last, pauseMs } = turn;
      return last === undefined ? [] : [{ texts, before: last.texts, pauseMs }];
    });
    for (const { texts, before, pauseMs } of later) {
      expect(texts.slice(0, -2)).toEqual(before);
      expect(pauseMs).toBeGreaterThanOrEqual(2_000);
      expect(pauseMs).toBeLessThan(9_000);
    }
    // Of 3 to 8 turns, all but the first continue one: 4.5 of 5.5.
    expect(later.length / 1_000).toBeGreaterThan(0.7);
    expect(later.length / 1_000).toBeLessThan(0.9);
  });

  it("shares four system prompts evenly, and stays within a few thousand tokens", () => {
    const requests = drawn(1_000);
    const counts = new Map<string, number>();
    for (const request of requests) {
      const [system] = messagesOf(request);
      counts.set(system?.content ?? "", (counts.get(system?.content ?? "") ?? 0) + 1);
      // At four bytes a token.
      expect(request.body.length / 4).toBeLessThan(8_000);
    }
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(count).toBeGreaterThan(150);
  });

  it("takes turns before their time rather than keep ever more conversations", () => {
    const workload = new Workload(seededRandom(1));
    const names = new Set<string>();
    for (let index = 0; index < 4_000; index += 1) names.add(nameOf(workload.next(0)));
    expect(names.size).toBeLessThanOrEqual(3_000);
  });
});

describe("curlLineOf", () => {
  it("is one line with a streamed chat", () => {
    expect(curlLineOf("http://127.0.0.1:8080")).toBe(
      "curl -N http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' " +
        `-d '{"model":"sim-model","stream":true,"messages":[{"role":"user","content":"Hello"}]}'`,
    );
  });
});
