import { LineCounter, parseDocument } from "yaml";
import { reasonOf } from "../std/reason-of.ts";

/** Largest document read, in bytes; etcd takes no larger ConfigMap either. */
const documentBytesMax = 1024 * 1024;

/** Aliases that are expanded, so that a small document cannot expand to gigabytes. */
const aliasCountMax = 100;

export type ParsedText =
  | { readonly kind: "parsed"; readonly value: unknown }
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

/** Reads YAML, of which JSON is a subset; never throws because of the text. */
export function parseYaml(text: string): ParsedText {
  if (Buffer.byteLength(text) > documentBytesMax) {
    return invalid([`the document is larger than ${documentBytesMax} bytes`]);
  }
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    if (document.errors.length > 0) {
      return invalid(
        document.errors.map(({ message, pos }) => {
          const { line, col } = lineCounter.linePos(pos[0]);
          return `line ${line}, column ${col}: ${message}`;
        }),
      );
    }
    const value: unknown = document.toJS({ maxAliasCount: aliasCountMax });
    return value === null || value === undefined
      ? invalid(["the document is empty"])
      : { kind: "parsed", value };
  } catch (cause) {
    return invalid([reasonOf(cause)]);
  }
}

function invalid(mistakes: readonly string[]): ParsedText {
  return { kind: "invalid", mistakes };
}
