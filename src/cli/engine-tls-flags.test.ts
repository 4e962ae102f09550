import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { anAuthority } from "#test/support/tls-front.ts";
import { engineTlsFlags, engineTlsOf } from "./engine-tls-flags.ts";
import { parseFlags } from "./flags.ts";

const folder = mkdtempSync(path.join(tmpdir(), "pointsman-engine-flags-"));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function optionsOf(...argv: string[]) {
  const parsed = parseFlags(engineTlsFlags, argv, {});
  if (parsed.kind !== "parsed") throw new Error("the flags of a test are valid");
  return engineTlsOf(parsed.values);
}

const authority = await anAuthority();
const { cert, key } = await authority.issue({ names: ["gateway"] });
const files = {
  ca: written("ca.crt", authority.cert),
  cert: written("tls.crt", cert),
  key: written("tls.key", key),
  other: written("other.key", (await authority.issue({})).key),
  text: written("text", "no certificate"),
};

describe("flags of TLS to engines", () => {
  it("verify by the usual authorities without any", () => {
    expect(optionsOf()).toEqual({
      insecureSkipVerify: false,
      serverName: undefined,
      caPath: undefined,
      clientCertPath: undefined,
      clientKeyPath: undefined,
    });
  });

  it("name files, a name, and that nothing is verified", () => {
    const pair = ["--engine-client-cert-file", files.cert, "--engine-client-key-file", files.key];
    const others = ["--engine-ca-file", files.ca, "--engine-server-name", "a.example.com"];
    expect(optionsOf(...pair, ...others, "--engine-insecure-skip-verify")).toEqual({
      insecureSkipVerify: true,
      serverName: "a.example.com",
      caPath: files.ca,
      clientCertPath: files.cert,
      clientKeyPath: files.key,
    });
  });

  it.each([
    [["--engine-ca-file", path.join(folder, "none")], /none: ENOENT/u],
    [["--engine-ca-file", files.text], /text: no certificate in PEM/u],
    [["--engine-client-cert-file", files.cert], /need each other/u],
    [["--engine-client-key-file", files.key], /need each other/u],
    [
      ["--engine-client-cert-file", files.cert, "--engine-client-key-file", files.other],
      /key values mismatch/u,
    ],
    [["--engine-client-cert-file", files.text, "--engine-client-key-file", files.key], /PEM/iu],
  ])("refuse %j", (argv, reason) => {
    expect(() => optionsOf(...argv)).toThrow(reason);
  });
});
