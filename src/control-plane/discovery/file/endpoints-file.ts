import { isIP, SocketAddress } from "node:net";
import { parseDocument, type YAMLParseError } from "yaml";
import { z } from "zod";
import { drainOf } from "../../../core/endpoint.ts";
import { hostPortOf } from "../../../std/host-port.ts";
import type { EndpointSpec } from "../../../state/membership.ts";

export type EndpointsFile =
  | { readonly kind: "valid"; readonly specs: readonly EndpointSpec[] }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

const tooManyAliases = Symbol("too many aliases");
const emptyHint = 'write "endpoints: []" for an empty pool';

const nameSchema = z
  .string(expected("a string"))
  // An id is `namespace/name`: a slash inside either part would make it ambiguous.
  .regex(/^[^\s/]{1,253}$/, expected("1 to 253 characters without white space or /"));

const addressSchema = z
  .string(expected("an IP literal"))
  // A zone (`fe80::1%eth0`) only has a meaning on this machine.
  .refine((text) => isIP(text) !== 0 && !text.includes("%"), expected("an IP literal"))
  .transform(canonicalAddress);

const portSchema = z
  .union([z.string().regex(/^\d{1,5}$/, expected("1..65535")), z.number()], expected("1..65535"))
  .transform(Number)
  .pipe(z.int(expected("1..65535")).min(1, expected("1..65535")).max(65_535, expected("1..65535")));

const entrySchema = z.strictObject(
  {
    name: nameSchema,
    namespace: nameSchema.default("default"),
    address: addressSchema,
    port: portSchema,
    scheme: z.enum(["http", "https"], expected("http or https")).default("http"),
    serverName: z
      .string(expected("a host name"))
      .regex(/^[^\s/:]{1,253}$/u, expected("a host name"))
      .optional(),
    labels: z
      .record(z.string(), z.string(expected("a string in quotes")), expected("a map"))
      .default({}),
  },
  expected("a map with name, address and port"),
);

const fileSchema = z.strictObject(
  { endpoints: z.array(entrySchema, expected("a list", emptyHint)) },
  expected("a map with endpoints"),
);

/** Reads the text of an endpoints file, YAML or JSON: all its endpoints, or every mistake in it. */
export function parseEndpointsFile(text: string): EndpointsFile {
  if (text.trim() === "") return invalid([`the file is empty; ${emptyHint}`]);
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) return invalid(document.errors.map(syntaxMistakeOf));
  const content = plainValueOf(document);
  if (content === tooManyAliases) return invalid(["the YAML aliases expand without bound"]);

  const parsed = fileSchema.safeParse(content, { reportInput: true });
  if (!parsed.success) return invalid(parsed.error.issues.flatMap(mistakesOf));

  const { endpoints } = parsed.data;
  const unused = endpoints.flatMap(({ scheme, serverName }, index) =>
    serverName !== undefined && scheme === "http"
      ? [`endpoints[${index}].serverName: needs scheme: https`]
      : [],
  );
  const specs = endpoints.map(specOf);
  const mistakes = [...unused, ...duplicatesIn(specs)];
  return mistakes.length > 0 ? invalid(mistakes) : { kind: "valid", specs };
}

function invalid(mistakes: readonly string[]): EndpointsFile {
  return { kind: "invalid", mistakes };
}

function syntaxMistakeOf({ code, message }: YAMLParseError): string {
  if (code === "MULTIPLE_DOCS") return "the file holds more than one YAML document";
  // The remaining lines show the place in the text.
  return (message.split("\n", 1)[0] ?? message).replace(/:$/, "");
}

/** The document as plain values. */
function plainValueOf(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    // If a document has no syntax error, only its aliases can fail.
    return tooManyAliases;
  }
}

/** One spelling per address, so that `::1` and `0:0:0:0:0:0:0:1` are the same endpoint. */
function canonicalAddress(address: string): string {
  return isIP(address) === 6 ? new SocketAddress({ address, family: "ipv6" }).address : address;
}

function specOf(entry: z.output<typeof entrySchema>): EndpointSpec {
  const { namespace, name, address, port, labels, scheme, serverName } = entry;
  const spec = { id: `${namespace}/${name}`, namespace, name, address, port, labels };
  return scheme === "https" ? { ...spec, tls: { serverName } } : spec;
}

/**
 * Names and addresses that several endpoints of the file share. An address may be listed for one
 * endpoint that takes requests and others that drain: the store then assigns it.
 */
function duplicatesIn(specs: readonly EndpointSpec[]): string[] {
  const firstById = new Map<string, number>();
  const firstByAddress = new Map<string, number>();
  return specs.flatMap((spec, index) => {
    const { id, address, port } = spec;
    const hostPort = hostPortOf(address, port);
    const sameId = firstById.get(id);
    firstById.set(id, sameId ?? index);
    const at = `endpoints[${index}]`;
    const mistakes = sameId === undefined ? [] : [`${at}.name: ${id} is also endpoints[${sameId}]`];
    if (drainOf(spec) !== undefined) return mistakes;
    const sameAddress = firstByAddress.get(hostPort);
    firstByAddress.set(hostPort, sameAddress ?? index);
    return sameAddress === undefined
      ? mistakes
      : [...mistakes, `${at}.address: ${hostPort} is also endpoints[${sameAddress}]`];
  });
}

/** An error text with the expected and the actual value. */
function expected(wanted: string, hint = "") {
  const ending = hint && `; ${hint}`;
  return {
    error: ({ code, input }: { readonly code: string; readonly input?: unknown }) => {
      // `mistakesOf` names each unknown field.
      if (code === "unrecognized_keys") return undefined;
      if (input === undefined) return `is required (${wanted})${ending}`;
      return `must be ${wanted}, got ${shownOf(input)}${ending}`;
    },
  };
}

function mistakesOf(issue: z.core.$ZodIssue): string[] {
  const path = pathOf(issue.path);
  if (issue.code !== "unrecognized_keys") return [`${path}${path && ": "}${issue.message}`];
  return issue.keys.map((key) => `${path}${path && "."}${key}: unknown field`);
}

/** `endpoints[3].port` */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) =>
      typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`,
    )
    .join("");
}

function shownOf(input: unknown): string {
  const text = JSON.stringify(input) ?? typeof input;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
