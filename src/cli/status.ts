import { readFile } from "node:fs/promises";
import { Agent, fetch, type Response } from "undici";
import type { PoolPage } from "../admin/pool-page.ts";
import { reasonOf } from "../std/reason-of.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { flagCommand, type ParsedFlags } from "./flag-command.ts";
import { flagHelp, type FlagTable, type FlagValues } from "./flags.ts";
import { statusText } from "./status-text.ts";

/** Where a kubelet mounts the token of a pod. */
const mountedToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

const statusFlags = {
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
  output: {
    kind: "string",
    initial: "text",
    aliases: ["o"],
    help: "Output format: text or json.",
  },
} as const satisfies FlagTable;

/** Exit code if the picker answers and is not ready. */
const notReadyExitCode = 2;
const timeoutMs = 5_000;

const help = `Usage: pointsman status [flags]

Shows the pool of a running picker: every endpoint with its state and signals, every
excluded pod with the reason, and the cluster resources that the picker watches.

  kubectl exec deploy/pointsman -- /app/epp status
  kubectl port-forward deploy/pointsman 9090 & pointsman status --token-file FILE

Exit codes: 0 if the picker is ready, ${notReadyExitCode} if it is not, 1 if it cannot be reached.

Flags:
${flagHelp(statusFlags)}
`;

export const status = flagCommand({
  help,
  flags: statusFlags,
  run,
});

type Values = FlagValues<typeof statusFlags>;

async function run(
  { values }: ParsedFlags<typeof statusFlags>,
  context: CommandContext,
): Promise<number> {
  const { output } = values;
  if (output !== "text" && output !== "json") {
    throw new UsageError([
      `invalid argument ${JSON.stringify(output)} for --output: want text or json`,
    ]);
  }
  const page = await pageOf(values);
  context.stdout(output === "json" ? `${JSON.stringify(page, undefined, 2)}\n` : statusText(page));
  return page.notReady.length === 0 ? 0 : notReadyExitCode;
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
async function fileOf(values: Values, flag: "ca-file" | "cert-file" | "key-file") {
  if (values[flag] === "") return undefined;
  try {
    return await readFile(values[flag]);
  } catch (cause) {
    throw new UsageError([`--${flag}: ${reasonOf(cause)}`]);
  }
}

async function pageOf(values: Values): Promise<PoolPage> {
  const { url } = values;
  const address = URL.parse("/debug/pool", url);
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
    return await pageAt(address, { token, dispatcher });
  } finally {
    await dispatcher.destroy();
  }
}

async function pageAt(
  address: URL,
  { token, dispatcher }: { readonly token: string | undefined; readonly dispatcher: Agent },
): Promise<PoolPage> {
  let response: Response;
  try {
    response = await fetch(address, {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
      dispatcher,
    });
  } catch (cause) {
    throw new UsageError([`${address.href}: ${connectReasonOf(cause)}`]);
  }
  const text = await response.text();
  if (!response.ok) {
    throw new UsageError([`${address.href}: ${response.status} ${text.trim().slice(0, 500)}`]);
  }
  try {
    // The page is what a picker of this version shows.
    return JSON.parse(text) as PoolPage;
  } catch {
    throw new UsageError([`${address.href}: not the metrics port of a picker`]);
  }
}

/** The cause of a failed fetch, because its own message says only `fetch failed`. */
function connectReasonOf(cause: unknown): string {
  const inner = cause instanceof Error ? cause.cause : undefined;
  if (inner instanceof AggregateError) return String(inner.errors[0]);
  return reasonOf(inner instanceof Error ? inner : cause);
}
