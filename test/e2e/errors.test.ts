import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Rig, startRig } from "#test/support/rig.ts";

describe("errors of the picker, as clients see them", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await startRig({
      engines: [],
      flags: ["--request-body-limit", "2000"],
    });
  });
  afterAll(async () => rig?.close());

  const json = { "content-type": "application/json" };
  const anthropic = '{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"hi"}]}';
  const streaming = anthropic.replace("{", '{"stream":true,');

  it.for<[string, string, number, string]>([
    ["/v1/messages", anthropic, 503, "overloaded_error"],
    ["/v1/messages?beta=true", streaming, 503, "overloaded_error"],
    ["/team/v1/messages/count_tokens", anthropic, 503, "overloaded_error"],
    ["/v1/messages", "{", 400, "invalid_request_error"],
    ["/v1/messages", JSON.stringify({ pad: "x".repeat(3_000) }), 413, "request_too_large"],
  ])("are Anthropic's at %s", async ([path, body, status, type]) => {
    const response = await fetch(`${rig.url}${path}`, { method: "POST", body, headers: json });
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("retry-after")).toBe(status === 503 ? "5" : null);
    const requestId = response.headers.get("request-id");
    expect(await response.json()).toEqual({
      type: "error",
      error: { type, message: expect.any(String) },
      request_id: requestId,
    });
    await expect
      .poll(() => rig.requestLog().map((line) => line["requestId"]), { timeout: 10_000 })
      .toContain(requestId);
  });

  it.each<[string, RequestInit]>([
    ["/v1/chat/completions", { method: "POST", body: streaming, headers: json }],
    ["/v1/models", {}],
  ])("are OpenAI's at %s", async (path, init) => {
    const response = await fetch(`${rig.url}${path}`, init);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("5");
    expect(await response.json()).toEqual({
      error: { message: expect.any(String), type: "service_unavailable", code: "no_endpoints" },
    });
  });

  it("answer HEAD with a head alone, and leave the connection usable", async () => {
    for (let index = 0; index < 3; index += 1) {
      const response = await fetch(`${rig.url}/v1/models`, { method: "HEAD" });
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("5");
      expect(await response.text()).toBe("");
    }
  });
});
