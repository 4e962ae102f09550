import { getCiphers } from "node:tls";
import { describe, expect, it } from "vitest";
import { parseFlags } from "./flags.ts";
import { tlsFlags, tlsOptionsOf } from "./tls-flags.ts";

function optionsOf(...argv: readonly string[]) {
  const parsed = parseFlags(tlsFlags, argv, {});
  if (parsed.kind !== "parsed") throw new Error(JSON.stringify(parsed));
  return tlsOptionsOf(parsed.values);
}

describe("flags of TLS", () => {
  it("make a certificate and take TLS alone where nothing is said", () => {
    expect(optionsOf()).toEqual({
      limits: { minVersion: undefined, ciphers: undefined },
      grpc: { kind: "tls", files: undefined, isFollowed: true },
      metrics: undefined,
    });
  });

  it("say what the ext_proc port takes", () => {
    const kindOf = (...argv: readonly string[]) => optionsOf(...argv).grpc.kind;
    expect(kindOf("--secure-serving=false", "--allow-cleartext")).toBe("cleartext");
    expect(kindOf("--allow-cleartext")).toBe("both");
    expect(optionsOf("--cert-path=/tls", "--enable-cert-reload=false").grpc).toEqual({
      kind: "tls",
      files: { folder: "/tls" },
      isFollowed: false,
    });
  });

  it("give the metrics port a certificate, and ask clients for one", () => {
    expect(optionsOf("--metrics-cert-dir=/tls").metrics).toEqual({ folder: "/tls" });
    expect(optionsOf("--metrics-cert-dir=/tls", "--metrics-client-ca-file=/ca").metrics).toEqual({
      folder: "/tls",
      clientCaFile: "/ca",
    });
    expect(() => optionsOf("--metrics-client-ca-file=/ca")).toThrow(/requires --metrics-cert-dir/);
  });

  it.each([
    ["VersionTLS10", "TLSv1"],
    ["VersionTLS11", "TLSv1.1"],
    ["VersionTLS12", "TLSv1.2"],
    ["VersionTLS13", "TLSv1.3"],
  ])("take %s for %s", (name, version) => {
    expect(optionsOf(`--tls-min-version=${name}`).limits.minVersion).toBe(version);
  });

  it.each(["TLS1.2", "toString"])("refuse the version %s and name the known ones", (name) => {
    expect(() => optionsOf(`--tls-min-version=${name}`)).toThrow(
      `invalid argument "${name}" for --tls-min-version: want one of VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13`,
    );
  });

  it.each([
    ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
    ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ["TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"],
    ["TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"],
  ])("take %s for %s, and keep TLS 1.3", (name, openSslName) => {
    const names = (optionsOf(`--tls-cipher-suites=${name}`).limits.ciphers ?? "").split(":");
    expect(names).toHaveLength(4);
    expect(names[0]).toBe(openSslName);
    for (const each of names) expect(getCiphers()).toContain(each.toLowerCase());
  });

  it("leave out suites that are broken or of TLS 1.3, which is always there", () => {
    const suites = "TLS_RSA_WITH_RC4_128_SHA, TLS_AES_128_GCM_SHA256,";
    expect(optionsOf(`--tls-cipher-suites=${suites}`).limits.ciphers).toBe(
      "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256",
    );
  });

  it("refuse names that are no cipher suites, all of them at once", () => {
    const argument = "--tls-cipher-suites=FAKE,TLS_RSA_WITH_AES_128_CBC_SHA,constructor";
    expect(() => optionsOf(argument)).toThrow(
      /unknown cipher suite "FAKE"[^]*unknown cipher suite "constructor"/,
    );
  });
});
