import { bench, do_not_optimize, run, summary } from "mitata";
import { createAnswerReader } from "../../src/data-plane/response/answer-reader.ts";

// What reading along costs per chunk of a response:
//   node --expose-gc loadtest/micro/answer-reader.bench.ts

const sseHeaders = { contentType: "text/event-stream; charset=utf-8", contentEncoding: undefined };
const jsonHeaders = { contentType: "application/json", contentEncoding: undefined };

/** One token as vLLM sends it; `extra` is a further member. */
function tokenEvent(extra = ""): Buffer {
  const head = '"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1';
  const choice = '{"index":0,"delta":{"content":" token"},"logprobs":null,"finish_reason":null}';
  return Buffer.from(`data: {${head},"model":"m","choices":[${choice}]${extra}}\n\n`);
}

const token = tokenEvent();
const tokenWithNull = tokenEvent(',"usage":null');
const tokenWithUsage = tokenEvent(',"usage":{"prompt_tokens":9,"completion_tokens":1}');
const middle = token.byteLength >> 1;
const firstHalf = token.subarray(0, middle);
const secondHalf = token.subarray(middle);
const fiftyTokens = Buffer.concat(Array.from({ length: 50 }, () => token));

const reader = createAnswerReader(sseHeaders);
summary(() => {
  bench("one token event", () => reader.push(token));
  bench('one token event with "usage":null', () => reader.push(tokenWithNull));
  bench("one token event with usage", () => reader.push(tokenWithUsage));
  bench("one token event in two chunks", () => {
    reader.push(firstHalf);
    reader.push(secondHalf);
  });
  bench("50 token events in one chunk", () => reader.push(fiftyTokens));
});

const usage = '"usage":{"prompt_tokens":9,"completion_tokens":9}';
const answer = Buffer.from(
  `{"choices":[{"message":{"content":"${'prose, \\"quoted\\"\\n'.repeat(230)}"}}],${usage}}`,
);
const vector = Array.from({ length: 4_096 }, (_, index) => Math.sin(index));
const embedding = Buffer.from(`{"data":[{"embedding":${JSON.stringify(vector)}}],${usage}}`);
for (const [name, body] of [
  ["answer", answer],
  ["embedding", embedding],
] as const) {
  bench(`a JSON ${name} of ${Math.round(body.byteLength / 1_024)} KiB`, () => {
    const jsonReader = createAnswerReader(jsonHeaders);
    jsonReader.push(body);
    do_not_optimize(jsonReader.usage);
  });
}

await run();
