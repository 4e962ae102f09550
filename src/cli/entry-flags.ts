import { readFile } from "node:fs/promises";
import { parseApiKeys } from "../config/api-keys.ts";
import type { GateOptions } from "../gateway/http-front.ts";
import type { TlsOptions } from "../listening/identities.ts";
import { firstFew } from "../std/first-few.ts";
import { reasonOf } from "../std/reason-of.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";
import { tlsFlags } from "./tls-flags.ts";

/** Flags of `gateway` that say who may send requests, and how many. */
export const entryFlags = {
  "requests-max": {
    kind: "int",
    initial: 4_096,
    min: 0,
    help: "Maximum requests handled at once; others wait. 0 for no limit.",
  },
  "queue-max": {
    kind: "int",
    initial: 1_024,
    min: 0,
    help: "Maximum requests that wait because of --requests-max; others get 429.",
  },
  "queue-wait": {
    kind: "duration",
    initial: 10_000,
    help: "Maximum time that a request waits because of --requests-max, before it gets 429; 0 for no limit.",
  },
  "body-timeout": {
    kind: "duration",
    initial: 30_000,
    help: "Maximum pause in a request body, before 408. A body that arrives at less than 1KiB/s uses it up too. 0 for no limit.",
  },
  "read-timeout": {
    kind: "duration",
    initial: 300_000,
    help: "Maximum time for which a client may read nothing of its answer, before the answer breaks off; 0 for no limit.",
  },
  "held-bodies-limit": {
    kind: "bytes",
    initial: 512 * 1024 * 1024,
    help: "Maximum size of all request bodies that are held; then the largest that is still arriving gets 429. At least --request-body-limit.",
  },
  "connections-max": {
    kind: "int",
    initial: 16_384,
    min: 1,
    help: "Maximum connections of clients; others are closed at once.",
  },
  "endpoint-connections-max": {
    kind: "int",
    initial: 1_024,
    min: 0,
    help: "Maximum connections to each endpoint; its other requests wait within --try-timeout. 0 for no limit.",
  },
  "api-keys-file": {
    kind: "string",
    initial: "",
    shownDefault: "no API keys",
    help: "File with the API keys of clients: one a line, NAME KEY or NAME sha256:HASH, or YAML with limits. Changes apply without a restart.",
  },
  "forward-credentials": {
    kind: "boolean",
    initial: false,
    help: "Pass API keys of clients on to engines. Without --api-keys-file, credentials are always passed on.",
  },
  "tls-cert-file": {
    kind: "string",
    initial: "",
    shownDefault: "no TLS",
    help: "PEM file with the certificate chain for clients; watched for changes.",
  },
  "tls-key-file": {
    kind: "string",
    initial: "",
    help: "PEM file with the key of --tls-cert-file.",
  },
  "tls-client-ca-file": {
    kind: "string",
    initial: "",
    shownDefault: "client certificates not required",
    help: "PEM file with the CA that certificates of clients must be signed by; watched for changes. Needs --tls-cert-file.",
  },
  "tls-min-version": tlsFlags["tls-min-version"],
  "tls-cipher-suites": tlsFlags["tls-cipher-suites"],
  "tls-self-signed": {
    kind: "boolean",
    initial: false,
    help: "Serve TLS with a self-signed certificate, made at the start.",
  },
  "allowed-hosts": {
    kind: "list",
    initial: [],
    shownDefault: "hosts of this machine on a loopback address without API keys, else any",
    help: "Further hosts by which clients may address the gateway, such as llm.example.com, or * for any. Others get 403.",
  },
  "cors-origins": {
    kind: "list",
    initial: [],
    help: "Origins of web pages that may use the gateway from a browser, such as https://chat.example.com, or * for all.",
  },
} as const satisfies FlagTable;

type Values = FlagValues<typeof entryFlags>;

/** Mistakes of a file of keys that are printed. */
const mistakesShownMax = 20;

/**
 * Hosts by which clients may address a port; undefined for any. Web pages reach a port of this machine through its
 * browsers; `hasOwnLock` is true if they would need an API key.
 */
export function allowedHostsOf(
  values: Values,
  { isLocal, hasOwnLock }: { readonly isLocal: boolean; readonly hasOwnLock: boolean },
): readonly string[] | undefined {
  const names = values["allowed-hosts"];
  return names.length > 0 || (isLocal && !hasOwnLock) ? names : undefined;
}

/** `bodyBytesMax`: limit for one body; 0 for none. */
export function gateLimitsOf(
  values: Values,
  bodyBytesMax = 0,
): Omit<GateOptions, "apiKeys" | "allowedHosts"> {
  const heldMax = values["held-bodies-limit"];
  const origins = values["cors-origins"];
  const mistaken = origins.filter((origin) => origin !== "*" && !isOrigin(origin));
  if (mistaken.length > 0) {
    throw new UsageError(
      mistaken.map(
        (origin) =>
          `invalid argument ${JSON.stringify(origin)} for --cors-origins: want an origin such as https://chat.example.com, without a path`,
      ),
    );
  }
  return {
    requests: {
      heldMax: values["requests-max"],
      waitingMax: values["queue-max"],
      waitMs: values["queue-wait"],
    },
    bodyTimeoutMs: values["body-timeout"],
    readTimeoutMs: values["read-timeout"],
    // One body may always be as large as --request-body-limit says.
    heldBodyBytesMax: heldMax === undefined ? 0 : Math.max(heldMax, bodyBytesMax),
    forwardsCredentials: values["forward-credentials"],
    corsOrigins: origins,
  };
}

/** Reads the file of keys; rejects with every mistake. */
export async function apiKeysOf({
  "api-keys-file": file,
}: Values): Promise<GateOptions["apiKeys"]> {
  if (file === "") return undefined;
  const parsed = parseApiKeys(await textOf(file));
  if (parsed.kind === "parsed") return { file, first: parsed.keys };
  const lines = firstFew(parsed.mistakes, mistakesShownMax);
  throw new UsageError(lines.map((line) => `--api-keys-file: ${file}: ${line}`));
}

export function httpTlsOf(values: Values): Pick<TlsOptions, "http"> {
  const certificateFile = values["tls-cert-file"];
  const privateKeyFile = values["tls-key-file"];
  const clientCaFile = values["tls-client-ca-file"];
  const isSelfSigned = values["tls-self-signed"];
  if (clientCaFile !== "" && certificateFile === "") {
    throw new UsageError(["--tls-client-ca-file needs --tls-cert-file"]);
  }
  if (certificateFile === "" && privateKeyFile === "") {
    return isSelfSigned ? { http: { files: undefined } } : {};
  }
  if (certificateFile === "" || privateKeyFile === "") {
    throw new UsageError(["--tls-cert-file and --tls-key-file need each other"]);
  }
  if (isSelfSigned) {
    throw new UsageError(["--tls-cert-file and --tls-self-signed cannot both be given"]);
  }
  const files = { certificateFile, privateKeyFile };
  return { http: { files: clientCaFile === "" ? files : { ...files, clientCaFile } } };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new UsageError([`--api-keys-file: ${reasonOf(cause)}`]);
  }
}

/** True for a scheme and a host, with or without a port, as browsers write them. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text) || text.includes("*")) return false;
  const { protocol, host, username } = new URL(text);
  return host !== "" && username === "" && `${protocol}//${host}` === text;
}
