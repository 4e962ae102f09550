import { describe, expect, it } from "vitest";
import { seededRandom } from "../std/random.ts";
import { parseRecord } from "./json.ts";
import { adapters, curlLineOf, model, Workload } from "./workload.ts";

function drawn(count: number, seed = 1) {
  const workload = new Workload(seededRandom(seed));
  return Array.from({ length: count }, () => workload.next());
}

describe("Workload", () => {
  it("gives the same requests for the same seed", () => {
    expect(drawn(50)).toEqual(drawn(50));
    expect(drawn(50, 2)).not.toEqual(drawn(50));
  });

  it("mixes chats, embeddings and model lists, whole and streamed, base model and adapters", () => {
    const requests = drawn(1_000);
    const countOf = (path: string) => requests.filter((request) => request.path === path).length;
    // 3 %, 7 % and 90 % of 1,000, each with room for chance.
    expect(countOf("/v1/models")).toBeGreaterThan(10);
    expect(countOf("/v1/embeddings")).toBeGreaterThan(40);
    expect(countOf("/v1/chat/completions")).toBeGreaterThan(850);
    const streamed = requests.filter(({ isStream }) => isStream).length;
    expect(streamed).toBeGreaterThan(500);
    expect(streamed).toBeLessThan(750);
    const models = new Set(requests.map(({ body }) => parseRecord(body ?? "{}")?.["model"]));
    expect(models).toEqual(new Set([model, ...adapters, undefined]));
  });

  it("asks for the usage of every stream", () => {
    const streams = drawn(100).filter(({ isStream }) => isStream);
    for (const { body } of streams) {
      expect(parseRecord(body ?? "")).toMatchObject({
        stream: true,
        stream_options: { include_usage: true },
      });
    }
  });

  it("shares long beginnings between chats, and stays within a few thousand tokens", () => {
    const chats = drawn(300).filter(({ path }) => path === "/v1/chat/completions");
    const starts = chats.map(({ body }) => {
      const messages = parseRecord(body ?? "")?.["messages"];
      return JSON.stringify(Array.isArray(messages) ? messages[0] : undefined);
    });
    const counts = [...new Set(starts)].map((start) => starts.filter((s) => s === start).length);
    // Three system prompts carry nearly nine of ten chats.
    const shared = counts.filter((count) => count > 1).reduce((sum, count) => sum + count, 0);
    expect(counts.filter((count) => count > 1)).toHaveLength(3);
    expect(shared / chats.length).toBeGreaterThan(0.8);
    // At four bytes a token; a conversation grows over six turns.
    for (const { body } of chats) expect((body ?? "").length / 4).toBeLessThan(8_000);
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
