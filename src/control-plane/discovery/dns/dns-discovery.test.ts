import { describe, expect, it } from "vitest";
import type { EndpointStore } from "../../../state/endpoint-store.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { quietPool } from "#test/support/quiet-pool.ts";
import { DnsDiscovery } from "./dns-discovery.ts";
import { readEndpointAddress } from "./endpoint-address.ts";
import { dnsDiscoveryPlugin } from "./plugin.ts";
import type { Resolver } from "./resolver.ts";

class NameError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

type Records = Readonly<Record<string, readonly string[] | string>>;

/** A discovery over records that a test may replace; a text is the code of an error. */
function aDiscovery(addresses: readonly string[], first: Records) {
  let records = first;
  const found = (name: string) => {
    const value = records[name] ?? "ENOTFOUND";
    if (typeof value === "string") throw new NameError(value);
    return value;
  };
  const resolver: Resolver = {
    addresses: async (host) => (/^[\d.]+$|:/u.test(host) ? [host] : found(host)),
    services: async (name) =>
      found(name).map((each) => {
        const [host = "", port] = each.split(" ");
        return { host, port: Number(port) };
      }),
  };
  const { store } = quietPool();
  const clock = new FakeClock();
  const warnings: object[] = [];
  const log = { info: () => undefined, warn: (fields: object) => void warnings.push(fields) };
  const discovery = new DnsDiscovery(
    { addresses, intervalMs: 1_000 },
    { store, clock, log, resolver },
  );
  return {
    discovery,
    clock,
    warnings,
    specs: () => store.endpoints(),
    pool: (of: EndpointStore = store) => of.endpoints().map(({ name }) => name),
    become: (next: Records) => void (records = next),
  };
}

describe("DNS discovery", () => {
  it("makes every address of every host an endpoint, each once", async () => {
    const { discovery, pool } = aDiscovery(
      ["http://10.0.0.1:8000", "http://[fd00::2]:8000", "vllm:8000", "http://alias:8000"],
      { vllm: ["10.0.0.2", "10.0.0.3"], alias: ["10.0.0.3", "10.0.0.1"] },
    );
    await discovery.load();
    expect(pool()).toEqual([
      "10.0.0.1:8000",
      "[fd00::2]:8000",
      "vllm@10.0.0.2:8000",
      "vllm@10.0.0.3:8000",
    ]);
  });

  it("takes hosts and ports from SRV records", async () => {
    const { discovery, pool } = aDiscovery(["srv://_vllm._tcp.example.com"], {
      "_vllm._tcp.example.com": ["a.example.com 8001", "b.example.com 8002"],
      "a.example.com": ["10.0.0.1"],
      "b.example.com": ["10.0.0.2"],
    });
    await discovery.load();
    expect(pool()).toEqual(["a.example.com@10.0.0.1:8001", "b.example.com@10.0.0.2:8002"]);
  });

  it("follows names while it runs", async () => {
    const { discovery, clock, pool, become } = aDiscovery(["http://vllm:8000"], {
      vllm: ["10.0.0.1"],
    });
    await discovery.load();
    const stop = new AbortController();
    const run = discovery.run(stop.signal);
    become({ vllm: ["10.0.0.1", "10.0.0.2"] });
    await clock.advance(1_000);
    expect(pool()).toEqual(["vllm@10.0.0.1:8000", "vllm@10.0.0.2:8000"]);
    stop.abort();
    await run;
  });

  it("verifies the name of an endpoint over TLS, also that of an SRV record, and an address by itself", async () => {
    const { discovery, specs } = aDiscovery(
      ["https://vllm:8443", "https://10.0.0.9", "https+srv://_a._tcp.b", "http://vllm:8000"],
      {
        vllm: ["10.0.0.1"],
        "a.example.com.": ["10.0.0.2"],
        "_a._tcp.b": ["a.example.com. 8001"],
      },
    );
    await discovery.load();
    expect(specs().map(({ hostPort, tls }) => [hostPort, tls])).toEqual([
      ["10.0.0.1:8443", { serverName: "vllm" }],
      ["10.0.0.9:443", { serverName: undefined }],
      ["10.0.0.2:8001", { serverName: "a.example.com" }],
      ["10.0.0.1:8000", undefined],
    ]);
  });

  it("keeps endpoints of a name that cannot be resolved, and drops those of one that is gone", async () => {
    const { discovery, clock, pool, become, warnings } = aDiscovery(
      ["http://vllm:8000", "http://10.0.0.9:8000"],
      { vllm: ["10.0.0.1"] },
    );
    await discovery.load();
    const stop = new AbortController();
    const run = discovery.run(stop.signal);
    become({ vllm: "EAI_AGAIN" });
    for (let pass = 0; pass < 5; pass += 1) await clock.advance(1_000);
    expect(pool()).toHaveLength(2);
    expect(warnings).toEqual([{ name: "http://vllm:8000", error: "EAI_AGAIN" }]);
    become({ vllm: "ENOTFOUND" });
    await clock.advance(1_000);
    await clock.advance(1_000);
    expect(pool()).toHaveLength(2);
    await clock.advance(1_000);
    expect(pool()).toEqual(["10.0.0.9:8000"]);
    become({ vllm: ["10.0.0.1"] });
    await clock.advance(1_000);
    expect(pool()).toHaveLength(2);
    stop.abort();
    await run;
  });

  it("starts with a name that does not exist yet", async () => {
    const { discovery, pool } = aDiscovery(["http://later:8000"], {});
    expect(await discovery.load()).toMatchObject({ kind: "loaded" });
    expect(pool()).toEqual([]);
  });

  it("refuses a list with its mistakes", async () => {
    const { discovery } = aDiscovery(["ftp://a:1", "http://b:1/v1"], {});
    expect(await discovery.load()).toMatchObject({
      kind: "invalid",
      mistakes: [/want http/u, /want no path/u].map(
        (text) => expect.stringMatching(text) as string,
      ),
    });
    expect(dnsDiscoveryPlugin.load({ endpoints: ["ftp://a:1"] })).toMatchObject({
      kind: "invalid",
    });
    const loaded = dnsDiscoveryPlugin.load({ endpoints: ["http://a:1"], refreshInterval: "2s" });
    if (loaded.kind === "invalid") throw new Error("valid");
    expect(loaded.build({})).toEqual({ addresses: ["http://a:1"], intervalMs: 2_000 });
  });
});

describe("an endpoint's address", () => {
  it.each([
    ["http://10.0.0.1:8000", { kind: "host", host: "10.0.0.1", port: 8_000, isSecure: false }],
    ["http://10.0.0.1:8000/", { kind: "host", host: "10.0.0.1", port: 8_000, isSecure: false }],
    ["HTTP://VLLM:8000", { kind: "host", host: "vllm", port: 8_000, isSecure: false }],
    ["vllm:8000", { kind: "host", host: "vllm", port: 8_000, isSecure: false }],
    ["http://vllm", { kind: "host", host: "vllm", port: 80, isSecure: false }],
    ["[0:0::1]:8000", { kind: "host", host: "::1", port: 8_000, isSecure: false }],
    ["https://vllm:8443", { kind: "host", host: "vllm", port: 8_443, isSecure: true }],
    ["HTTPS://10.0.0.1", { kind: "host", host: "10.0.0.1", port: 443, isSecure: true }],
    ["https://vllm:80", { kind: "host", host: "vllm", port: 80, isSecure: true }],
    ["https://[::1]:443/", { kind: "host", host: "::1", port: 443, isSecure: true }],
    ["vllm:80", { kind: "host", host: "vllm", port: 80, isSecure: false }],
    ["https+srv://_a._tcp.b", { kind: "srv", name: "_a._tcp.b", isSecure: true }],
    ["srv://_a._tcp.b", { kind: "srv", name: "_a._tcp.b", isSecure: false }],
  ])("%s", (text, address) => {
    expect(readEndpointAddress(text)).toEqual(address);
  });

  it.each([
    ["", "want a URL"],
    ["vllm", "want a port"],
    ["http://", "want a URL"],
    ["http://a:99999", "want a URL"],
    ["http://a:0", "want a port"],
    ["http://a:1/v1", "want no path"],
    ["http://u:p@a:1", "want no user"],
    ["http://a:1?b", "want no query"],
    ["ftp://a:1", "want http://"],
    ["srv://a:1", "SRV records have the port"],
  ])("%j is refused: %s", (text, reason) => {
    const read = readEndpointAddress(text);
    expect(read).toMatchObject({
      kind: "invalid",
      mistake: expect.stringContaining(reason) as string,
    });
  });
});
