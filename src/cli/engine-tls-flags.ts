import { type ClientTlsOptions, mistakeInFiles } from "../std/client-tls.ts";
import { UsageError } from "./command.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** TLS of the way to endpoints. */
export const engineTlsFlags = {
  "engine-ca-file": {
    kind: "string",
    initial: "",
    shownDefault: "the CAs of the system and of Node.js",
    help: "PEM file with the CA that certificates of https endpoints must be signed by; watched for changes.",
  },
  "engine-server-name": {
    kind: "string",
    initial: "",
    shownDefault: "the host of each endpoint",
    help: "Name that certificates of https endpoints must have, if it is not the host by which they are addressed.",
  },
  "engine-client-cert-file": {
    kind: "string",
    initial: "",
    help: "PEM file with the certificate to show to https endpoints; watched for changes.",
  },
  "engine-client-key-file": {
    kind: "string",
    initial: "",
    help: "PEM file with the key of --engine-client-cert-file.",
  },
  "engine-insecure-skip-verify": {
    kind: "boolean",
    initial: false,
    help: "Accept any certificate of https endpoints. Anyone between the gateway and its engines can then read and change requests.",
  },
} as const satisfies FlagTable;

/** Throws a `UsageError` if a file cannot be used. */
export function engineTlsOf(values: FlagValues<typeof engineTlsFlags>): ClientTlsOptions {
  const certificate = values["engine-client-cert-file"];
  const key = values["engine-client-key-file"];
  if ((certificate === "") !== (key === "")) {
    throw new UsageError([
      "--engine-client-cert-file and --engine-client-key-file need each other",
    ]);
  }
  const options = {
    insecureSkipVerify: values["engine-insecure-skip-verify"],
    serverName: values["engine-server-name"] || undefined,
    caPath: values["engine-ca-file"] || undefined,
    clientCertPath: certificate || undefined,
    clientKeyPath: key || undefined,
  };
  const hasFiles = options.caPath !== undefined || options.clientCertPath !== undefined;
  const mistake = hasFiles ? mistakeInFiles(options) : undefined;
  if (mistake !== undefined) throw new UsageError([`certificates of --engine flags: ${mistake}`]);
  return options;
}
