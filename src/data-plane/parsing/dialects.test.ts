import { describe, expect, it } from "vitest";
import { DIALECTS, dialectOfPath } from "./dialects.ts";

describe("dialectOfPath", () => {
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
  ])("takes %s for %s", (path, dialect) => {
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
  ])("does not know %j", (path) => {
    expect(dialectOfPath(path)).toBeUndefined();
  });

  it("stays linear in the length of a path of slashes", () => {
    expect(dialectOfPath(`/v1/completions${"/".repeat(1_000_000)}`)?.dialect).toBe("completions");
  });

  it("gives each suffix to one dialect", () => {
    const suffixes = DIALECTS.flatMap((parser) => parser.pathSuffixes);
    expect(new Set(suffixes).size).toBe(suffixes.length);
  });
});
