import { readFile } from "node:fs/promises";
import { Agent, fetch, type Response } from "undici";
import { reasonOf } from "../std/reason-of.ts";
import { UsageError } from "./command.ts";
import { connectReasonOf } from "./connect-reason.ts";
import type { FlagTable, FlagValues } from "./flags.ts";

/** Where a kubelet mounts the token of a pod. */
const mountedToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Flags of commands that ask a running picker. */
export const pickerFlags = {
  url: {
    kind: "string",
    initial: "http://127.0.0.1:9090",
    help: "URL of the picker's metrics port.",
  },
  "token-file": {
    kind: "string",
    initial: "",
    shownDefault: "the pod's own token, if any",
    help: "File with the bearer token, if the port requires one.",
  },
  "ca-file": {
    kind: "string",
    initial: "",
    shownDefault: "the CAs of Node.js",
    help: "PEM file with the CA of an https port.",
  },
  "cert-file": {
    kind: "string",
    initial: "",
    help: "PEM file with the client certificate, if the port requires one.",
  },
  "key-file": { kind: "string", initial: "", help: "PEM file with the key of --cert-file." },
} as const satisfies FlagTable;

/** The flag of commands that print text or JSON. */
export const outputFlag = {
  output: {
    kind: "string",
    initial: "text",
    aliases: ["o"],
    help: "Output format: text or json.",
  },
} as const satisfies FlagTable;

/** The format that the flag names, or a `UsageError`. */
export function outputIn({ output }: FlagValues<typeof outputFlag>): "text" | "json" {
  if (output === "text" || output === "json") return output;
  throw new UsageError([
    `invalid argument ${JSON.stringify(output)} for --output: want text or json`,
  ]);
}

/** The value of a JSON page, or a `UsageError`. `url`: where the page is from. */
export function pickerJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError([`${url}: not the metrics port of a picker`]);
  }
}

const timeoutMs = 10_000;

type PickerValues = FlagValues<typeof pickerFlags>;

/** A request for a page of the metrics port. */
export interface PageRequest {
  /** Path and query. */
  readonly path: string;
  readonly accept: string;
  /** Sent with POST; a GET without. */
  readonly body?: Uint8Array | undefined;
}

async function tokenIn(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file === "" ? mountedToken : file, "utf8")).trim();
  } catch (cause) {
    if (file === "") return undefined;
    throw new UsageError([`--token-file: ${reasonOf(cause)}`]);
  }
}

/** A file that a flag names; undefined if the flag is not set. */
async function fileOf(values: PickerValues, flag: "ca-file" | "cert-file" | "key-file") {
  if (values[flag] === "") return undefined;
  try {
    return await readFile(values[flag]);
  } catch (cause) {
    throw new UsageError([`--${flag}: ${reasonOf(cause)}`]);
  }
}

/** The text of a page, or the error of the picker as a `UsageError`. */
export async function pickerPage(values: PickerValues, request: PageRequest): Promise<string> {
  const { url } = values;
  const address = URL.parse(request.path, url);
  if (address === null) throw new UsageError([`--url: invalid URL ${JSON.stringify(url)}`]);
  const [token, ca, cert, key] = await Promise.all([
    tokenIn(values["token-file"]),
    fileOf(values, "ca-file"),
    fileOf(values, "cert-file"),
    fileOf(values, "key-file"),
  ]);
  const dispatcher = new Agent({
    connect: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  });
  try {
    return await textAt(address, { ...request, token, dispatcher });
  } finally {
    await dispatcher.destroy();
  }
}

async function textAt(
  address: URL,
  {
    token,
    dispatcher,
    accept,
    body,
  }: PageRequest & { readonly token: string | undefined; readonly dispatcher: Agent },
): Promise<string> {
  let response: Response;
  try {
    response = await fetch(address, {
      method: body === undefined ? "GET" : "POST",
      headers: { accept, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      signal: AbortSignal.timeout(timeoutMs),
      dispatcher,
      ...(body === undefined ? {} : { body }),
    });
  } catch (cause) {
    throw new UsageError([`${address.href}: ${connectReasonOf(cause)}`]);
  }
  const text = await response.text();
  if (!response.ok) {
    throw new UsageError([`${address.href}: ${response.status} ${text.trim().slice(0, 2_000)}`]);
  }
  return text;
}
