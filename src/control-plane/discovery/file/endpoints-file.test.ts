import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEndpointsFile } from "./endpoints-file.ts";

const mistakesIn = (text: string) => {
  const parsed = parseEndpointsFile(text);
  return parsed.kind === "invalid" ? parsed.mistakes : [];
};

const json = (...endpoints: readonly unknown[]) => JSON.stringify({ endpoints });
const good = { name: "a", address: "10.0.0.1", port: 8_000 };

describe("parseEndpointsFile", () => {
  it("reads the format of llm-d-router, with or without namespace and labels", () => {
    const text = `
endpoints:
- {name: vllm-0, namespace: prod, address: 10.0.0.1, port: "8000", labels: {k: v}}
- name: vllm-1
  address: 10.0.0.2
  port: 8001
`;
    expect(parseEndpointsFile(text)).toEqual({
      kind: "valid",
      specs: [
        {
          id: "prod/vllm-0",
          namespace: "prod",
          name: "vllm-0",
          address: "10.0.0.1",
          port: 8_000,
          labels: { k: "v" },
        },
        {
          id: "default/vllm-1",
          namespace: "default",
          name: "vllm-1",
          address: "10.0.0.2",
          port: 8_001,
          labels: {},
        },
      ],
    });
  });

  it("reads endpoints over TLS, with or without a name for their certificates", () => {
    const secure = { ...good, scheme: "https" };
    const text = json(secure, { ...secure, name: "b", port: 1, serverName: "b.example.com" });
    const parsed = parseEndpointsFile(text);
    expect(parsed.kind === "valid" && parsed.specs.map(({ tls }) => tls)).toEqual([
      { serverName: undefined },
      { serverName: "b.example.com" },
    ]);
    expect(mistakesIn(json({ ...good, scheme: "http", serverName: "b" }))).toEqual([
      "endpoints[0].serverName: needs scheme: https",
    ]);
    expect(mistakesIn(json({ ...good, scheme: "https", serverName: "b:1" }))).toEqual([
      'endpoints[0].serverName: must be a host name, got "b:1"',
    ]);
    expect(mistakesIn(json({ ...good, scheme: "ftp" }))).toEqual([
      'endpoints[0].scheme: must be http or https, got "ftp"',
    ]);
  });

  it("reads JSON", () => {
    expect(parseEndpointsFile(json(good))).toMatchObject({
      kind: "valid",
      specs: [{ id: "default/a", port: 8_000 }],
    });
  });

  it.each([
    ["2001:DB8:0:0::A", "2001:db8::a"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
  ])("normalizes the IPv6 address %s to %s", (written, address) => {
    expect(parseEndpointsFile(json({ ...good, address: written }))).toMatchObject({
      specs: [{ address }],
    });
  });

  it("accepts an explicit empty list as an empty pool", () => {
    expect(parseEndpointsFile("endpoints: []")).toEqual({ kind: "valid", specs: [] });
  });

  it.each([
    ["", 'the file is empty; write "endpoints: []" for an empty pool'],
    [" \n\t\n", 'the file is empty; write "endpoints: []" for an empty pool'],
    ["# only a comment", "must be a map with endpoints, got null"],
    ["endpoints:", 'endpoints: must be a list, got null; write "endpoints: []" for an empty pool'],
    ["{}", 'endpoints: is required (a list); write "endpoints: []" for an empty pool'],
    ["--- {}\n--- {}", "the file holds more than one YAML document"],
    ["endpoints: []\nendpoints: []", "Map keys must be unique at line 2, column 1"],
  ])("refuses %j", (text, mistake) => {
    expect(mistakesIn(text)).toEqual([mistake]);
  });

  it("refuses aliases that expand without bound", () => {
    const levels = ["b", "c", "d", "e"].map((name) => {
      const below = `*${String.fromCharCode(name.charCodeAt(0) - 1)}`;
      return `${name}: &${name} [${Array.from({ length: 9 }).fill(below).join(",")}]`;
    });
    const text = ["a: &a [x]", ...levels].join("\n");
    expect(mistakesIn(text)).toEqual(["the YAML aliases expand without bound"]);
  });

  it("names every mistake with its path", () => {
    const text = json(
      { ...good, port: "x", labels: { zone: 1 }, prot: 8 },
      { name: "a/b", address: "localhost", port: 70_000 },
      {},
      { ...good, name: "b", address: "fe80::1%eth0", port: 0 },
      "c",
    );
    expect(mistakesIn(text)).toEqual([
      'endpoints[0].port: must be 1..65535, got "x"',
      "endpoints[0].labels.zone: must be a string in quotes, got 1",
      "endpoints[0].prot: unknown field",
      'endpoints[1].name: must be 1 to 253 characters without white space or /, got "a/b"',
      'endpoints[1].address: must be an IP literal, got "localhost"',
      "endpoints[1].port: must be 1..65535, got 70000",
      "endpoints[2].name: is required (a string)",
      "endpoints[2].address: is required (an IP literal)",
      "endpoints[2].port: is required (1..65535)",
      'endpoints[3].address: must be an IP literal, got "fe80::1%eth0"',
      "endpoints[3].port: must be 1..65535, got 0",
      'endpoints[4]: must be a map with name, address and port, got "c"',
    ]);
  });

  it("names unknown fields of the document", () => {
    expect(mistakesIn("endpoints: []\nkind: Pool")).toEqual(["kind: unknown field"]);
  });

  it("refuses two endpoints with one name or one address, in any spelling", () => {
    const text = json(
      { ...good, address: "::1" },
      { ...good, address: "10.0.0.9" },
      { ...good, name: "b", address: "0:0:0:0:0:0:0:1" },
      { ...good, namespace: "other", address: "10.0.0.8" },
    );
    expect(mistakesIn(text)).toEqual([
      "endpoints[1].name: default/a is also endpoints[0]",
      "endpoints[2].address: [::1]:8000 is also endpoints[0]",
    ]);
  });

  it.each([
    ["one that takes requests and one that drains", [{}, { isDrained: true }], []],
    ["two that drain", [{ isDrained: true }, { isDrained: true }], []],
    [
      "two that take requests and one that drains",
      [{}, { isDrained: true }, {}],
      ["endpoints[2].address: 10.0.0.1:8000 is also endpoints[0]"],
    ],
  ])("checks an address of %s", (_, entries, mistakes) => {
    const text = json(
      ...entries.map(({ isDrained = false }: { isDrained?: boolean }, index) => ({
        ...good,
        name: `e${index}`,
        address: "10.0.0.1",
        labels: isDrained ? { "pointsman.dev/drain": "true" } : {},
      })),
    );
    const parsed = parseEndpointsFile(text);
    expect(parsed.kind === "valid" ? [] : parsed.mistakes).toEqual(mistakes);
  });

  it("returns a list or mistakes for any text, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: "binary" })), (text) => {
        const parsed = parseEndpointsFile(text);
        expect(parsed.kind === "valid" || parsed.mistakes.length > 0).toBe(true);
      }),
    );
  });

  it("returns a shorter list or mistakes for any truncation of a file", () => {
    const endpoints = Array.from({ length: 5 }, (_, index) => ({
      ...good,
      name: `e${index}`,
      port: 8_000 + index,
    }));
    const whole = json(...endpoints);
    for (let length = 0; length < whole.length; length += 1) {
      expect(parseEndpointsFile(whole.slice(0, length)).kind).toBe("invalid");
    }
    expect(parseEndpointsFile(whole).kind).toBe("valid");
  });
});
