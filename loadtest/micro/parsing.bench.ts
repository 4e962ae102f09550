import { bench, do_not_optimize, run, summary } from "mitata";
import type { RequestHead } from "../../src/core/request.ts";
import { requestParsers } from "../../src/data-plane/parsing/request-parsers.ts";
import { createRequestReader } from "../../src/data-plane/parsing/request-reader.ts";

// What reading a chat body costs, and how much of it is JSON.parse:
//   node --expose-gc loadtest/micro/parsing.bench.ts

const { bodyUse, parse: parseRequest } = createRequestReader(requestParsers);

const head: RequestHead = {
  id: "1",
  method: "POST",
  path: "/ns/name/v1/chat/completions?x=1",
  headers: new Map([["content-type", "application/json"]]),
  subset: undefined,
};

/** A conversation of about `bodyBytes`, in messages of 1 KiB of prose with a few escapes. */
function chatBody(bodyBytes: number): Buffer {
  const sentence =
    'The pointsman said: "mind the gap", and\nthrew the lever before the train came. ';
  const content = sentence.repeat(Math.ceil(1_024 / sentence.length)).slice(0, 1_024);
  const messages = Array.from({ length: Math.ceil(bodyBytes / 1_100) }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content,
  }));
  return Buffer.from(JSON.stringify({ model: "m", stream: true, max_tokens: 64, messages }));
}

bench("bodyUse", () => do_not_optimize(bodyUse(head)));
for (const [size, bodyBytes] of [
  ["2 KB", 2_048],
  ["64 KB", 65_536],
  ["1 MB", 1_048_576],
] as const) {
  const body = chatBody(bodyBytes);
  const broken = body.subarray(0, body.byteLength - 1);
  summary(() => {
    bench(`${size}: JSON.parse alone`, () => do_not_optimize(JSON.parse(body.toString())));
    bench(`${size}: parseRequest`, () => do_not_optimize(parseRequest(head, body)));
    bench(`${size}: refused, last byte lost`, () => do_not_optimize(parseRequest(head, broken)));
  });
}

await run();
