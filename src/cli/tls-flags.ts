import type { SecureVersion } from "node:tls";
import type { TlsOptions } from "../listening/identities.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** TLS of the ext_proc port and of the port of `/metrics`. */
export const tlsFlags = {
  "secure-serving": { kind: "boolean", initial: true, help: "Serve TLS on the ext_proc port." },
  "allow-cleartext": {
    kind: "boolean",
    initial: false,
    help: "Also accept HTTP/2 without TLS on the ext_proc port.",
  },
  "cert-path": {
    kind: "string",
    initial: "",
    shownDefault: "a self-signed certificate",
    help: "Directory with tls.crt and tls.key.",
  },
  "enable-cert-reload": {
    kind: "boolean",
    initial: true,
    help: "Reload the certificate when its files change.",
  },
  "metrics-cert-dir": {
    kind: "string",
    initial: "",
    shownDefault: "no TLS",
    help: "Directory with tls.crt and tls.key for the metrics port; watched for changes.",
  },
  "metrics-client-ca-file": {
    kind: "string",
    initial: "",
    shownDefault: "client certificates not required",
    help: "PEM file with the CA that client certificates on the metrics port must be signed by.",
  },
  "tls-min-version": {
    kind: "string",
    initial: "",
    shownDefault: "VersionTLS12",
    help: "Minimum TLS version, as Go names it (VersionTLS13).",
  },
  "tls-cipher-suites": {
    kind: "list",
    initial: [],
    shownDefault: "the Node.js defaults",
    help: "Cipher suites for TLS 1.2 and older, by standard name. TLS 1.3 suites are always enabled.",
  },
} as const satisfies FlagTable;

type Values = FlagValues<typeof tlsFlags>;

const versions: Readonly<Record<string, SecureVersion>> = {
  VersionTLS10: "TLSv1",
  VersionTLS11: "TLSv1.1",
  VersionTLS12: "TLSv1.2",
  VersionTLS13: "TLSv1.3",
};

const suitesOfTls13 = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
];

/** By their standard names (those that Go knows), the names that OpenSSL gives them. */
const olderSuites: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: "ECDHE-ECDSA-AES128-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_128_CBC_SHA256: "AES128-SHA256",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
};

/** Known to Go and broken (RC4, 3DES). They are accepted as names and never negotiated. */
const brokenSuite = /^TLS_\w+_WITH_(?:RC4_128|3DES_EDE_CBC)_SHA$/;

export function tlsLimitsOf(
  values: Pick<Values, "tls-min-version" | "tls-cipher-suites">,
): TlsOptions["limits"] {
  return {
    minVersion: minVersionOf(values["tls-min-version"]),
    ciphers: ciphersOf(values["tls-cipher-suites"]),
  };
}

export function tlsOptionsOf(values: Values): TlsOptions {
  return {
    limits: tlsLimitsOf(values),
    grpc: grpcOf(values),
    metrics: metricsOf(values),
  };
}

function grpcOf(values: Values): TlsOptions["grpc"] {
  if (!values["secure-serving"]) return { kind: "cleartext" };
  const folder = values["cert-path"];
  return {
    kind: values["allow-cleartext"] ? "both" : "tls",
    files: folder === "" ? undefined : { folder },
    isFollowed: values["enable-cert-reload"],
  };
}

function metricsOf(values: Values): TlsOptions["metrics"] {
  const folder = values["metrics-cert-dir"];
  const clientCaFile = values["metrics-client-ca-file"];
  if (folder === "") {
    if (clientCaFile === "") return undefined;
    throw new UsageError(["--metrics-client-ca-file requires --metrics-cert-dir"]);
  }
  return clientCaFile === "" ? { folder } : { folder, clientCaFile };
}

function minVersionOf(name: string): SecureVersion | undefined {
  if (name === "") return undefined;
  const version = Object.hasOwn(versions, name) ? versions[name] : undefined;
  if (version !== undefined) return version;
  throw new UsageError([
    `invalid argument ${JSON.stringify(name)} for --tls-min-version: want one of ${Object.keys(versions).join(", ")}`,
  ]);
}

function ciphersOf(names: readonly string[]): string | undefined {
  const given = names.map((name) => name.trim()).filter((name) => name !== "");
  if (given.length === 0) return undefined;
  const unknown = given.filter((name) => !isSuite(name));
  if (unknown.length > 0) {
    throw new UsageError(
      unknown.map((name) => `--tls-cipher-suites: unknown cipher suite ${JSON.stringify(name)}`),
    );
  }
  // Without those of TLS 1.3, Node.js would leave that version out.
  return [...given.flatMap((name) => olderSuites[name] ?? []), ...suitesOfTls13].join(":");
}

function isSuite(name: string): boolean {
  return Object.hasOwn(olderSuites, name) || suitesOfTls13.includes(name) || brokenSuite.test(name);
}
