import { bench, do_not_optimize, run } from "mitata";
import type { InferenceRequest, PromptPart } from "../../src/core/request.ts";
import { conversationProducer } from "../../src/data-plane/scheduling/producers/conversation.ts";
import { aContext, aHead, aRequest } from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";

// Finding a request's conversation, by a key or by its prompt:
//   node --expose-gc loadtest/micro/conversation.bench.ts

const { producer } = buildPlugin(conversationProducer);

const text = (value: string): PromptPart => ({ kind: "text", text: value });
const tools = "{a tool's schema} ".repeat(2_200);
const instructions = "You are an agent. ".repeat(1_400);
const opening = (task: string) =>
  [tools, "system", instructions, "user", task].map((value) => text(value));
const turns = Array.from({ length: 60 }, (_, turn) => [
  text(turn % 2 === 0 ? "assistant" : "tool"),
  text(`output ${turn} `.repeat(200)),
]).flat();

function contextOf(parts: Partial<InferenceRequest>, session?: string) {
  const headers = new Map([["authorization", "Bearer 0123456789abcdef0123456789abcdef"]]);
  if (session !== undefined) headers.set("x-session-id", session);
  return aContext({ request: aRequest({ head: aHead({ headers }), openingParts: 5, ...parts }) });
}

const long = { prompts: [[...opening("Fix it."), ...turns]] };
const fresh = Array.from({ length: 20_000 }, (_, task) =>
  contextOf({ prompts: [opening(`Do task ${task}.`)] }),
);
const completion = contextOf({
  dialect: "completions",
  openingParts: 0,
  prompts: [[text(tools + instructions + tools)]],
});
const tokenIds = Array.from({ length: 60_000 }, (_, index) => index);
const tokens = contextOf({
  dialect: "vllm-generate",
  openingParts: 0,
  prompts: [[{ kind: "tokens", tokenIds }]],
});
const keyed = contextOf(long, "session-1");
const later = contextOf(long);
let task = 0;

bench("a key in a header", () => do_not_optimize(producer?.produce(keyed, [])));
bench("a conversation of 30 turns", () => do_not_optimize(producer?.produce(later, [])));
bench("new conversations", () => {
  task = (task + 1) % fresh.length;
  const context = fresh[task];
  if (context !== undefined) do_not_optimize(producer?.produce(context, []));
});
bench("a completion of 105 KB", () => do_not_optimize(producer?.produce(completion, [])));
bench("60,000 token ids", () => do_not_optimize(producer?.produce(tokens, [])));

await run();
