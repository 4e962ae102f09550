import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ApiDialect, InferenceRequest, PromptPart } from "../../../core/request.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import {
  aContext,
  aDecision,
  aHead,
  anEndpoint,
  aRecord,
  aRequest,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { conversationProducer } from "./conversation.ts";

type Headers = readonly (readonly [string, string])[];

const alice = ["authorization", "Bearer alice"] as const;
const bob = ["authorization", "Bearer bob"] as const;

/** A producer whose requests come one after another, `turnMs` apart. */
function aProducer(parameters: object = {}, turnMs = 10_000) {
  const { producer, hooks } = buildPlugin(conversationProducer, parameters, pluginDeps());
  if (producer === undefined || hooks === undefined) throw new Error("it produces and follows");
  let nowMs = 0;
  const idOf = (request: InferenceRequest): string | undefined => {
    nowMs += turnMs;
    // The producer of session ids produces texts.
    return producer.produce(aContext({ request, nowMs }), []) as string | undefined;
  };
  return {
    producer,
    idOf,
    /** Follows a request to its answer. */
    answered: (request: InferenceRequest, answerId: string | undefined, failed = false) => {
      const id = idOf(request);
      const context = aContext({ request, nowMs, data: new Map([["under-test", id]]) });
      const decision = aDecision({ endpoints: [anEndpoint()] });
      const record = aRecord({ answerId, ...(failed ? { httpStatus: 500 } : {}) });
      hooks.sent({ context, decision })?.ended?.(record);
      return id;
    },
  };
}

const withHeaders = (headers: Headers, parts: Partial<InferenceRequest> = {}) =>
  aRequest({ head: aHead({ headers: new Map(headers) }), prompts: [], ...parts });

const texts = (...values: readonly string[]): PromptPart[] =>
  values.map((text) => ({ kind: "text", text }));

/** Instructions that all conversations share. */
const common = "You are an agent. ".repeat(2_000);

interface Turns {
  readonly first?: string;
  readonly later?: readonly string[];
  readonly sender?: readonly [string, string];
  readonly parts?: Partial<InferenceRequest>;
}

/** A chat with the common instructions and the user's first message; later messages are the model's and the user's. */
function chatOf({ first = "Fix it.", later = [], sender = alice, parts = {} }: Turns) {
  const opening = texts("system", common, "user", first);
  const rest = later.flatMap((text, index) => texts(index % 2 === 0 ? "assistant" : "user", text));
  return aRequest({
    head: aHead({ headers: new Map([sender]) }),
    prompts: [[...opening, ...rest]],
    openingParts: opening.length,
    ...parts,
  });
}

const systemOf = (text: string) => aRequest({ prompts: [texts("system", text)], openingParts: 0 });

const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => from + index);
const asText = (numbers: readonly number[]) => texts(numbers.map((n) => `${n} `).join(""));
const asTokens = (tokenIds: readonly number[]): PromptPart[] => [{ kind: "tokens", tokenIds }];

/** A request of the Responses API with this input. */
function inputOf(text: string, parts: Partial<InferenceRequest> = {}) {
  const request = { dialect: "responses", prompts: [texts(text)], openingParts: 1 } as const;
  return withHeaders([alice], { ...request, ...parts });
}

describe("conversation-producer", () => {
  itKeepsTheDataProducerContract(aProducer().producer);

  describe("with a client's key", () => {
    it.each<[string, Headers]>([
      ["OpenCode", [["x-session-affinity", "s"]]],
      ["OpenCode, Crush and OpenRouter", [["x-session-id", "s"]]],
      ["a client of OpenCode's service", [["x-opencode-session", "s"]]],
      ["Codex CLI", [["session-id", "s"]]],
      ["Codex CLI with a thread", [["thread-id", "s"]]],
      ["an older Codex CLI", [["session_id", "s"]]],
      ["Codex CLI's conversation", [["conversation_id", "s"]]],
      ["another client", [["x-conversation-id", "s"]]],
      ["Claude Code", [["x-claude-code-session-id", "s"]]],
      ["Open WebUI", [["x-openwebui-chat-id", "s"]]],
      ["Kilo Code", [["x-kilocode-taskid", "s"]]],
      ["LiteLLM", [["x-litellm-session-id", "s"]]],
    ])("reads the header of %s", (_, headers) => {
      const { idOf } = aProducer();
      const id = idOf(withHeaders([alice, ...headers]));
      expect(id).toBeDefined();
      const { prompts, openingParts } = chatOf({});
      expect(idOf(withHeaders([alice, ...headers], { prompts, openingParts }))).toBe(id);
      const others = headers.map(([name]) => [name, "t"] as const);
      expect(idOf(withHeaders([alice, ...others]))).not.toBe(id);
    });

    it("reads the key in a body, as in a header", () => {
      const { idOf } = aProducer();
      const id = idOf(withHeaders([alice, ["session-id", "s"]]));
      expect(idOf(withHeaders([alice], { sessionKey: "s" }))).toBe(id);
    });

    it.each<[string, Headers, string]>([
      [
        "x-session-id before a thread",
        [
          ["thread-id", "t"],
          ["x-session-id", "s"],
        ],
        "",
      ],
      [
        "a thread before its session",
        [
          ["session-id", "t"],
          ["thread-id", "s"],
        ],
        "",
      ],
      ["a header before the body", [["x-session-id", "s"]], "t"],
      ["a key with blanks around it", [["x-session-id", " s "]], ""],
      [
        "the next header for an empty one",
        [
          ["x-session-id", " "],
          ["session-id", "s"],
        ],
        "",
      ],
      [
        "the next header for one of 513 characters",
        [
          ["x-session-id", "k".repeat(513)],
          ["session-id", "s"],
        ],
        "",
      ],
    ])("reads %s", (_, headers, sessionKey) => {
      const { idOf } = aProducer();
      const id = idOf(withHeaders([alice], { sessionKey: "s" }));
      expect(idOf(withHeaders([alice, ...headers], { sessionKey }))).toBe(id);
    });

    it("gives each agent of a session its own conversation", () => {
      const { idOf } = aProducer();
      const session = ["x-claude-code-session-id", "s"] as const;
      const ids = ["", "a", "b"].map((agent) =>
        idOf(withHeaders([alice, session, ["x-claude-code-agent-id", agent]])),
      );
      expect(new Set(ids).size).toBe(3);
    });

    it("reads headers that the document names before the known ones", () => {
      const { idOf } = aProducer({ additionalSessionHeaders: ["X-Chat"] });
      const id = idOf(withHeaders([alice, ["x-chat", "s"]]));
      expect(
        idOf(withHeaders([alice, ["x-chat", "s"], ["x-session-id", "t"]], { sessionKey: "u" })),
      ).toBe(id);
    });

    it("gives the same key for two models two conversations", () => {
      const { idOf } = aProducer();
      const ids = ["large", "small"].map((model) => idOf(aRequest({ model, sessionKey: "s" })));
      expect(new Set(ids).size).toBe(2);
    });

    it.each(["x-request-id", "x-client-request-id", "x-interaction-id", "cookie", "user-agent"])(
      "does not take %s for a key, because it is new with each request or names no conversation",
      (name) => {
        const { idOf } = aProducer();
        expect(idOf(withHeaders([alice, [name, "s"]]))).toBeUndefined();
      },
    );
  });

  describe("by sender", () => {
    it.each<[string, Headers, Headers]>([
      ["a bearer token", [alice], [bob]],
      ["no token", [alice], []],
      ["an API key", [["x-api-key", "a"]], [["x-api-key", "b"]]],
      ["an API key of Azure", [["api-key", "a"]], [["api-key", "b"]]],
      ["the same value in another header", [["x-api-key", "a"]], [["api-key", "a"]]],
      [
        "a fairness id",
        [["x-llm-d-inference-fairness-id", "a"]],
        [["x-llm-d-inference-fairness-id", "b"]],
      ],
      [
        "the fairness id of another one",
        [["x-llm-d-inference-fairness-id", "a"], alice],
        [["x-llm-d-inference-fairness-id", "a"], bob],
      ],
    ])("separates two who differ in %s", (_, one, other) => {
      const { idOf } = aProducer();
      const key = { sessionKey: "s" };
      expect(idOf(withHeaders(one, key))).not.toBe(idOf(withHeaders(other, key)));
      const { prompts, openingParts } = chatOf({});
      const chat = { prompts, openingParts };
      expect(idOf(withHeaders(one, chat))).not.toBe(idOf(withHeaders(other, chat)));
    });

    it("knows only the header that the document names", () => {
      const { idOf } = aProducer({ senderHeaders: ["X-Tenant"] });
      const key = { sessionKey: "s" };
      const id = idOf(withHeaders([["x-tenant", "a"], alice], key));
      expect(idOf(withHeaders([["x-tenant", "a"], bob], key))).toBe(id);
      expect(idOf(withHeaders([["x-tenant", "b"], alice], key))).not.toBe(id);
    });

    it("never shares an id, whatever senders and keys contain", () => {
      const header = fc.string({ minLength: 1, maxLength: 12 }).map((value) => value.trim());
      const asked = fc.record({ token: header, apiKey: header, key: fc.string({ minLength: 1 }) });
      fc.assert(
        fc.property(asked, asked, (one, other) => {
          const { idOf } = aProducer();
          const [a, b] = [one, other].map(({ token, apiKey, key }) =>
            idOf(
              withHeaders(
                [
                  ["authorization", token],
                  ["x-api-key", apiKey],
                ],
                { sessionKey: key },
              ),
            ),
          );
          expect(a === b).toBe(JSON.stringify(one) === JSON.stringify(other));
        }),
      );
    });

    it("shows nothing of sender and key, and another process has other ids", () => {
      const request = withHeaders([["authorization", "Bearer secret-token"]], {
        sessionKey: "secret-key",
      });
      const ids = [aProducer(), aProducer()].map(({ idOf }) => idOf(request));
      expect(new Set(ids).size).toBe(2);
      for (const id of ids) expect(id).toMatch(/^[\w-]{22}$/u);
    });
  });

  describe("by the prompt", () => {
    it("keeps the id while the conversation grows", () => {
      const { idOf } = aProducer();
      const later = Array.from({ length: 20 }, (_, index) => `message ${index}`);
      const ids = later.map((_, count) => idOf(chatOf({ later: later.slice(0, count) })));
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).toBeDefined();
    });

    it("separates conversations under common instructions by the user's first message", () => {
      const { idOf } = aProducer();
      const ids = Array.from({ length: 50 }, (_, index) =>
        idOf(chatOf({ first: `Fix bug ${index}.` })),
      );
      expect(new Set(ids).size).toBe(50);
      const again = Array.from({ length: 50 }, (_, index) =>
        idOf(chatOf({ first: `Fix bug ${index}.`, later: ["Done.", "Thanks."] })),
      );
      expect(again).toEqual(ids);
    });

    it("separates models and salts", () => {
      const { idOf } = aProducer();
      const ids = [{}, { targetModel: "b" }, { cacheSalt: "s" }].map((parts) =>
        idOf(chatOf({ parts })),
      );
      expect(new Set(ids).size).toBe(3);
    });

    it("separates long first messages that differ in length, at the start, in the middle or at the end", () => {
      const { idOf } = aProducer();
      const long = "abcdefgh".repeat(5_000);
      const ids = [
        long,
        `${long}a`,
        `b${long.slice(1)}`,
        `${long.slice(0, 20_000)}XY${long.slice(20_002)}`,
        `${long.slice(0, -1)}X`,
      ].map((first) => idOf(chatOf({ first })));
      expect(new Set(ids).size).toBe(5);
    });

    it("separates pictures", () => {
      const { idOf } = aProducer();
      const ids = ["a", "b"].map((reference) =>
        idOf(
          aRequest({
            prompts: [[{ kind: "media", mediaType: "image", reference }, ...texts("What is it?")]],
          }),
        ),
      );
      expect(new Set(ids).size).toBe(2);
    });

    it("keeps the id under any loss of messages after the beginning", () => {
      // Each turn loses some of the messages that are left, and gains an answer and a question.
      const losses = fc.array(fc.array(fc.boolean(), { maxLength: 12 }), {
        minLength: 1,
        maxLength: 15,
      });
      fc.assert(
        fc.property(losses, (turns) => {
          const { idOf } = aProducer();
          const id = idOf(chatOf({}));
          let left: readonly string[] = [];
          for (const [turn, isLost] of turns.entries()) {
            left = left.filter((_, index) => isLost[index] !== true);
            left = [...left, `answer ${turn}`, `question ${turn}`];
            expect(idOf(chatOf({ later: left }))).toBe(id);
          }
        }),
      );
    });

    it("keeps the id if the history is replaced by a summary", () => {
      const { idOf } = aProducer();
      const id = idOf(chatOf({ later: ["a", "b", "c", "d"] }));
      expect(idOf(chatOf({ later: ["Summary.", "e"] }))).toBe(id);
      expect(idOf(chatOf({ later: ["Summary.", "e", "f", "g"] }))).toBe(id);
    });

    it("begins another conversation if the beginning changes", () => {
      const { idOf } = aProducer();
      const id = idOf(chatOf({ later: ["a", "b"] }));
      expect(idOf(chatOf({ first: "Summary of all.", later: ["a", "b"] }))).not.toBe(id);
    });

    it("separates conversations with the same first message once both go on", () => {
      const { idOf } = aProducer();
      const one = (...later: string[]) => idOf(chatOf({ later: ["I look.", ...later] }));
      const other = (...later: string[]) => idOf(chatOf({ later: ["I think.", ...later] }));
      const id = one("u");
      // It may still be the first one, with its history rewritten.
      expect(other("v")).toBe(id);
      expect(one("u", "b", "w")).toBe(id);
      const own = other("v", "c", "x");
      expect(own).not.toBe(id);
      expect(one("u", "b", "w", "d", "y")).toBe(id);
      expect(other("v", "c", "x", "e", "z")).toBe(own);
    });

    it("separates them where they part, if their first answers are the same too", () => {
      const { idOf } = aProducer();
      const one = ["I look.", "u", "b", "w", "c", "x"];
      const other = ["I look.", "u", "B", "W", "C", "X"];
      const id = idOf(chatOf({ later: one.slice(0, 4) }));
      expect(idOf(chatOf({ later: other.slice(0, 4) }))).toBe(id);
      expect(idOf(chatOf({ later: one }))).toBe(id);
      expect(idOf(chatOf({ later: other }))).not.toBe(id);
    });

    it("separates requests that share examples once there are many at a time", () => {
      const { idOf } = aProducer({}, 100);
      const ids = Array.from({ length: 60 }, (_, index) =>
        idOf(chatOf({ later: ["example", `question ${index}`] })),
      );
      // 16 branches within a second or two show that the examples are common.
      expect(new Set(ids.slice(0, 15)).size).toBe(1);
      expect(new Set(ids.slice(18)).size).toBe(42);
    });

    it("uses the whole prompt if there is no message of the user", () => {
      const { idOf } = aProducer();
      expect(idOf(systemOf("a"))).toBeDefined();
      expect(idOf(systemOf("a"))).not.toBe(idOf(systemOf("b")));
    });

    it.each<[string, Partial<InferenceRequest>]>([
      ["a batch", { prompts: [texts("a".repeat(9_000)), texts("b")], dialect: "completions" }],
      ["no prompt", { prompts: [] }],
      ["an empty prompt", { prompts: [[]] }],
      ["embeddings", { dialect: "embeddings" }],
      ["a short completion", { dialect: "completions", prompts: [texts("a".repeat(4_000))] }],
    ])("knows no conversation of %s", (_, parts) => {
      expect(aProducer().idOf(aRequest(parts))).toBeUndefined();
    });

    it("does not read prompts if told so", () => {
      const { idOf } = aProducer({ readsPrompt: false });
      expect(idOf(chatOf({}))).toBeUndefined();
      expect(idOf(chatOf({ parts: { sessionKey: "s" } }))).toBeDefined();
    });
  });

  describe("by a prompt without messages", () => {
    it.each<[ApiDialect, (numbers: readonly number[]) => PromptPart[]]>([
      ["completions", asText],
      ["sglang-generate", asText],
      ["vllm-generate", asTokens],
      ["sglang-generate", asTokens],
    ])("separates growing prompts of %s where they leave what they share", (dialect, partsOf) => {
      const { idOf } = aProducer();
      const shared = range(0, 4_096);
      const turn = (who: number, turns: number) =>
        idOf(
          aRequest({
            dialect,
            prompts: [partsOf([...shared, ...range(who * 100_000, 3_000 * turns)])],
          }),
        );
      const first = [1, 2, 3].map((who) => turn(who, 1));
      expect(new Set(first).size).toBe(3);
      expect([1, 2, 3].map((who) => turn(who, 2))).toEqual(first);
      expect([3, 1, 2].map((who) => turn(who, 3))).toEqual([first[2], first[0], first[1]]);
    });
  });

  describe("by a stored response", () => {
    it("follows the chain of responses, to any of them", () => {
      const { answered, idOf } = aProducer();
      const id = answered(inputOf("Fix it."), "resp_1");
      expect(answered(inputOf("And this.", { storedId: "resp_1" }), "resp_2")).toBe(id);
      expect(idOf(inputOf("And that.", { storedId: "resp_2" }))).toBe(id);
      expect(idOf(inputOf("Or that.", { storedId: "resp_1" }))).toBe(id);
      expect(idOf(withHeaders([alice], { dialect: "passthrough", storedId: "resp_2" }))).toBe(id);
    });

    it("stays in the conversation even if the client gives a key only then", () => {
      const { answered, idOf } = aProducer();
      const id = answered(inputOf("Fix it."), "resp_1");
      expect(idOf(inputOf("And this.", { storedId: "resp_1", sessionKey: "s" }))).toBe(id);
    });

    it("follows a conversation that an engine stores", () => {
      const { answered, idOf } = aProducer();
      const created = withHeaders([alice], { dialect: "conversations" });
      const id = answered(created, "conv_1");
      expect(id).toBeDefined();
      const used = { storedId: "conv_1", sessionKey: "conv_1" };
      expect(idOf(inputOf("Fix it.", used))).toBe(id);
    });

    it("is not found by another sender who guesses its id", () => {
      const { answered, idOf } = aProducer();
      const id = answered(inputOf("Fix it."), "resp_1");
      const guess = withHeaders([bob], { dialect: "responses", storedId: "resp_1" });
      expect(idOf(guess)).toBeDefined();
      expect(idOf(guess)).not.toBe(id);
    });

    it("is not learned from a response that failed", () => {
      const { answered, idOf } = aProducer();
      const id = answered(inputOf("Fix it."), "resp_1", true);
      expect(idOf(inputOf("And this.", { storedId: "resp_1" }))).not.toBe(id);
    });

    it("of which nothing is known is a conversation of its own, whatever its input", () => {
      const { idOf } = aProducer();
      const id = idOf(inputOf("a", { storedId: "resp_9" }));
      expect(idOf(inputOf("b", { storedId: "resp_9" }))).toBe(id);
      expect(idOf(inputOf("a"))).not.toBe(id);
    });
  });
});
