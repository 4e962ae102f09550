import { describe, expect, it } from "vitest";
import { anEndpoint } from "#test/support/builders.ts";
import { greetingOf } from "./gateway-greeting.ts";
import { gateway, listenAddressOf } from "./gateway.ts";

describe("--listen", () => {
  it.each([
    ["127.0.0.1:8080", "127.0.0.1", 8_080],
    ["8080", "127.0.0.1", 8_080],
    ["localhost:8080", "127.0.0.1", 8_080],
    [":8080", "::", 8_080],
    ["0.0.0.0:0", "0.0.0.0", 0],
    ["[::1]:8080", "::1", 8_080],
  ])("%s", (text, address, port) => {
    expect(listenAddressOf(text)).toEqual({ address, port });
  });

  it.each(["", "a:1", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:80"])(
    "%j is refused",
    (text) => {
      expect(() => listenAddressOf(text)).toThrow("--listen");
    },
  );
});

describe("the greeting", () => {
  const base = { id: "llama", parent: null };
  const ports = { http: 8_080, metrics: 9_090 };

  it("lists engine, models and adapters of each endpoint, and a command to try", () => {
    const findings = [
      { endpoint: anEndpoint(), engine: "vllm", models: [base, { id: "sql", parent: "llama" }] },
      { endpoint: anEndpoint({ slot: 1 }), engine: undefined, models: undefined },
    ];
    const text = greetingOf({ address: "127.0.0.1", ports, findings });
    expect(text).toContain("http://127.0.0.1:8080   (this machine only");
    expect(text).toMatch(/vllm {3}models: llama {3}adapters: sql\n/u);
    expect(text).toMatch(/no answer\n/u);
    expect(text).toContain(`-d '{"model":"llama"`);
  });

  it("says so if no endpoint was found", () => {
    const text = greetingOf({ address: "127.0.0.1", ports, findings: [] });
    expect(text).toMatch(/\n\nendpoint {3}none yet\n\ntry {8}curl \S+\/v1\/models\n/u);
  });

  it("shows an address that a shell can use, and quotes a name for it", () => {
    const findings = [{ endpoint: anEndpoint(), engine: "vllm", models: [{ id: "it's" }] }];
    const text = greetingOf({ address: "::", ports, findings });
    expect(text).toContain("gateway    http://127.0.0.1:8080   (for all, without API keys)\n");
    expect(text).toContain(String.raw`"model":"it'\''s"`);
  });

  it("shows how to send an API key, over TLS if it has a certificate", () => {
    const findings = [{ endpoint: anEndpoint(), engine: "vllm", models: [{ id: "m" }] }];
    const access = { address: "10.0.0.9", scheme: "https", hasKeys: true } as const;
    const text = greetingOf({ ...access, ports, findings });
    expect(text).toContain("gateway    https://10.0.0.9:8080   (for all with an API key)\n");
    expect(text).toContain('-H "authorization: Bearer $KEY"');
  });
});

const ignore = () => undefined;

describe("the command", () => {
  const signal = new AbortController().signal;
  const context = { env: {}, stdout: ignore, stderr: ignore, stop: signal, cut: signal };

  it.each([
    [[], /no endpoints: give --endpoints/u],
    [["http://a:1"], /unexpected arguments/u],
    [["--endpoints", "http://a:1/v1"], /want no path/u],
    [
      [
        ...["--endpoints", "http://a:1", "--config-text"],
        "{apiVersion: pointsman.dev/v1alpha1, kind: EndpointPickerConfig, plugins: [{type: file-discovery, parameters: {path: x}}], dataLayer: {discovery: {pluginRef: file-discovery}}}",
      ],
      /the command line gives the endpoints/u,
    ],
  ])("%j ends with a readable error", async (argv, message) => {
    await expect(gateway.run({ ...context, argv })).rejects.toThrow(message);
  });
});
