import { describe, expect, it } from "vitest";
import { chat } from "./dialects/chat.ts";
import { completions } from "./dialects/completions.ts";
import { dialectsByPath } from "./dialect-paths.ts";
import { requestParsers } from "./request-parsers.ts";

const allDialects = requestParsers.flatMap(({ dialects }) => dialects);
const dialectOfPath = dialectsByPath(allDialects);

describe("dialectsByPath", () => {
  it.each([
    ["/v1/chat/completions", "chat"],
    ["/chat/completions", "chat"],
    ["/ns/name/v1/chat/completions", "chat"],
    ["/v1/chat/completions/", "chat"],
    ["/v1/chat/completions//", "chat"],
    ["/v1/chat/completions?stream=1&next=/v1/embeddings", "chat"],
    ["/v1/chat/completions/?x", "chat"],
    ["/v1/chat/completions#here", "chat"],
    ["http://gateway:80/v1/chat/completions", "chat"],
    ["/v1/chat/completions/render", "chat"],
    ["/openai/v1/completions?x=1", "completions"],
    ["/v1/completions/render/", "completions"],
    ["/completions", "completions"],
    ["/v1/embeddings", "embeddings"],
    ["/v1/responses", "responses"],
    ["/a/b/v1/conversations/", "conversations"],
    ["/v1/images/generations", "images"],
    ["/publishers/ns/models/m/v1/messages/", "messages"],
    ["/v1/messages?beta=true", "messages"],
    ["/v1/messages/count_tokens?beta=true", "count-tokens"],
    ["/inference/v1/generate", "vllm-generate"],
    ["/generate", "sglang-generate"],
    ["/v1/generate/", "sglang-generate"],
  ])("matches %s to %s", (path, dialect) => {
    expect(dialectOfPath(path)?.dialect).toBe(dialect);
  });

  it.each([
    "",
    "/",
    "//",
    "?",
    "/v1/completionsX",
    "/foo/mycompletions",
    "completions",
    "/v1/Completions",
    "/v1/completions/extra",
    "/v1/models?next=/v1/completions",
    "/v1/responses/resp_1",
    "/v1/conversations/conv_1/items",
    "/v1/render",
    "/v1/threads/thread_1/messages",
    "/v1/messages/batches",
    "/regenerate",
    "/count_tokens",
  ])("does not know %j", (path) => {
    expect(dialectOfPath(path)).toBeUndefined();
  });

  it("stays linear in the length of a path of slashes", () => {
    expect(dialectOfPath(`/v1/completions${"/".repeat(1_000_000)}`)?.dialect).toBe("completions");
  });

  it("gives a path suffix that two dialects share to the first", () => {
    const twins = [chat, completions].map((dialect) =>
      Object.assign({}, dialect, { pathSuffixes: ["/same"] }),
    );
    expect(dialectsByPath(twins)("/v1/same")?.dialect).toBe("chat");
  });
});
