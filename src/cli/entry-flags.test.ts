import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { allowedHostsOf, apiKeysOf, entryFlags, gateLimitsOf, httpTlsOf } from "./entry-flags.ts";
import { parseFlags } from "./flags.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function aFile(text: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-keys-"));
  folders.push(folder);
  const file = path.join(folder, "keys");
  await writeFile(file, text);
  return file;
}

function valuesOf(...argv: string[]) {
  const parsed = parseFlags(entryFlags, argv, {});
  if (parsed.kind !== "parsed") throw new Error("the flags of a test are valid");
  return parsed.values;
}

describe("the flags of the gate", () => {
  it("limit requests and bodies by default, and ask for no key", async () => {
    expect(gateLimitsOf(valuesOf())).toEqual({
      requests: { heldMax: 4_096, waitingMax: 1_024, waitMs: 10_000 },
      bodyTimeoutMs: 30_000,
      readTimeoutMs: 300_000,
      heldBodyBytesMax: 512 * 2 ** 20,
      forwardsCredentials: false,
      corsOrigins: [],
    });
    expect(await apiKeysOf(valuesOf())).toBeUndefined();
    expect(httpTlsOf(valuesOf())).toEqual({});
  });

  it.each([
    { argv: [], isLocal: true, hasOwnLock: false, hosts: [] },
    { argv: [], isLocal: true, hasOwnLock: true, hosts: undefined },
    { argv: [], isLocal: false, hasOwnLock: false, hosts: undefined },
    { argv: ["a.example"], isLocal: true, hasOwnLock: true, hosts: ["a.example"] },
    { argv: ["a.example"], isLocal: false, hasOwnLock: false, hosts: ["a.example"] },
  ])(
    "with the hosts $argv, on loopback $isLocal, with API keys $hasOwnLock, allow $hosts",
    ({ argv, hosts, ...port }) => {
      const values = valuesOf(...argv.flatMap((host) => ["--allowed-hosts", host]));
      expect(allowedHostsOf(values, port)).toEqual(hosts);
    },
  );

  it("leave room for one body of the largest size", () => {
    const values = valuesOf("--held-bodies-limit", "1MiB");
    expect(gateLimitsOf(values, 2 ** 26).heldBodyBytesMax).toBe(2 ** 26);
    expect(gateLimitsOf(values, 1_000).heldBodyBytesMax).toBe(2 ** 20);
  });

  it.each(["*", "http://localhost:3000", "https://chat.example.com", "vscode-webview://a1"])(
    "take the origin %s",
    (origin) => {
      expect(gateLimitsOf(valuesOf("--cors-origins", origin)).corsOrigins).toEqual([origin]);
    },
  );

  it.each(["chat.example.com", "https://chat.example.com/", "https://a/b", "null", "https://*.a"])(
    "refuse the origin %s",
    (origin) => {
      expect(() => gateLimitsOf(valuesOf("--cors-origins", origin))).toThrow("want an origin");
    },
  );

  it("read keys, and show the mistakes of a file without its content", async () => {
    const file = await aFile("alice sk-alice-0123456789\n");
    expect(await apiKeysOf(valuesOf("--api-keys-file", file))).toMatchObject({
      file,
      first: [{ name: "alice" }],
    });
    const broken = await aFile("alice sk-short\n");
    await expect(apiKeysOf(valuesOf("--api-keys-file", broken))).rejects.toThrow(
      `--api-keys-file: ${broken}: line 1: a key has 16 characters or more`,
    );
    await expect(apiKeysOf(valuesOf("--api-keys-file", `${file}-none`))).rejects.toThrow("ENOENT");
  });
});

describe("the flags of TLS", () => {
  it("name both files, or ask for a certificate that is made at the start", () => {
    expect(httpTlsOf(valuesOf("--tls-cert-file", "c", "--tls-key-file", "k"))).toEqual({
      http: { files: { certificateFile: "c", privateKeyFile: "k" } },
    });
    expect(httpTlsOf(valuesOf("--tls-self-signed"))).toEqual({ http: { files: undefined } });
    const ofClients = ["--tls-cert-file", "c", "--tls-key-file", "k", "--tls-client-ca-file", "a"];
    expect(httpTlsOf(valuesOf(...ofClients))).toEqual({
      http: { files: { certificateFile: "c", privateKeyFile: "k", clientCaFile: "a" } },
    });
  });

  it.each([
    [["--tls-cert-file", "c"], "need each other"],
    [["--tls-key-file", "k"], "need each other"],
    [["--tls-cert-file", "c", "--tls-key-file", "k", "--tls-self-signed"], "cannot both be given"],
    [["--tls-client-ca-file", "a"], "needs --tls-cert-file"],
    [["--tls-client-ca-file", "a", "--tls-self-signed"], "needs --tls-cert-file"],
  ])("are refused as %j", (argv, message) => {
    expect(() => httpTlsOf(valuesOf(...argv))).toThrow(message);
  });
});
