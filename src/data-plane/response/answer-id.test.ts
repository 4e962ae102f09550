import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAnswerReader } from "./answer-reader.ts";
import { cutAt } from "#test/support/cuts.ts";

const json = "application/json";
const events = "text/event-stream";

function idIn(contentType: string | undefined, body: string | Buffer, cuts: number[] = []) {
  const contentEncoding = typeof body === "string" ? undefined : "gzip";
  const reader = createAnswerReader({ contentType, contentEncoding });
  for (const piece of cutAt(Buffer.from(body), cuts)) reader.push(piece);
  reader.end(true);
  return reader.id;
}

const event = (type: string, rest: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const response = { id: "resp_1", object: "response", status: "in_progress" };
const stream =
  event("response.created", { response }) +
  event("response.output_text.delta", { delta: "a" }) +
  event("response.completed", { response: { ...response, status: "completed" } });
const body = JSON.stringify({ ...response, output: [{ id: "msg_1", text: "a" }] });

describe("the id of an answer", () => {
  it.each<[string, string | undefined, string | Buffer, string | undefined]>([
    ["a response", json, body, "resp_1"],
    ["a response with its id at the end", json, '{"object":"response","id":"resp_1"}', "resp_1"],
    ["a conversation", json, '{"id":"conv_1","object":"conversation"}', "conv_1"],
    ["a stream", events, stream, "resp_1"],
    ["a stream that was cut off", events, stream.slice(0, 150), "resp_1"],
    ["a body without a type", undefined, stream, "resp_1"],
    ["a compressed body", json, gzipSync(body), "resp_1"],
    ["a chat completion", json, '{"id":"chatcmpl-1","object":"chat.completion"}', undefined],
    [
      "chunks of a chat",
      events,
      'data: {"id":"c","object":"chat.completion.chunk"}\n\n',
      undefined,
    ],
    ["an id within the output", json, '{"object":"response","output":[{"id":"msg_1"}]}', undefined],
    ["a number", json, '{"id":1,"object":"response"}', undefined],
    ["513 characters", json, `{"id":"${"r".repeat(513)}","object":"response"}`, undefined],
  ])("is read: %s", (_, ...[contentType, text, id]) => {
    expect(idIn(contentType, text)).toBe(id);
  });

  it("is the same for any cuts of the body", () => {
    const cut = fc.array(fc.nat(stream.length));
    fc.assert(
      fc.property(cut, (cuts) => {
        expect(idIn(events, stream, cuts)).toBe("resp_1");
        expect(idIn(json, body, cuts)).toBe("resp_1");
      }),
    );
  });
});
