import { type Document, LineCounter, parseAllDocuments, parseDocument } from "yaml";
import { reasonOf } from "../std/reason-of.ts";

/** Largest document read, in bytes; etcd takes no larger ConfigMap either. */
const documentBytesMax = 1024 * 1024;

/** Aliases that are expanded, so that a small document cannot expand to gigabytes. */
const aliasCountMax = 100;

interface InvalidText {
  readonly kind: "invalid";
  readonly mistakes: readonly string[];
}

export type ParsedText = { readonly kind: "parsed"; readonly value: unknown } | InvalidText;

type ParsedStream =
  | { readonly kind: "parsed"; readonly documents: readonly unknown[] }
  | InvalidText;

/** Reads YAML, of which JSON is a subset; never throws because of the text. */
export function parseYaml(text: string): ParsedText {
  if (Buffer.byteLength(text) > documentBytesMax) {
    return invalid([`the document is larger than ${documentBytesMax} bytes`]);
  }
  const lineCounter = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false });
    if (document.errors.length > 0) return invalid(errorsIn(document, lineCounter));
    const value: unknown = document.toJS({ maxAliasCount: aliasCountMax });
    return value === null || value === undefined
      ? invalid(["the document is empty"])
      : { kind: "parsed", value };
  } catch (cause) {
    return invalid([reasonOf(cause)]);
  }
}

/** Reads the documents of a stream of YAML, of which JSON is a subset, without a bound on its size; never throws because of the text. */
export function parseYamlStream(text: string): ParsedStream {
  const lineCounter = new LineCounter();
  try {
    // A JSON text of megabytes, such as a dump, takes YAML's reader seconds.
    if (text.trimStart().startsWith("{")) return { kind: "parsed", documents: [JSON.parse(text)] };
    const documents = [...parseAllDocuments(text, { lineCounter, prettyErrors: false })];
    const errors = documents.flatMap((document) => errorsIn(document, lineCounter));
    if (errors.length > 0) return invalid(errors);
    const values = documents.map((each): unknown => each.toJS({ maxAliasCount: aliasCountMax }));
    return { kind: "parsed", documents: values };
  } catch (cause) {
    return invalid([reasonOf(cause)]);
  }
}

function errorsIn({ errors }: Pick<Document, "errors">, lines: LineCounter): readonly string[] {
  return errors.map(({ message, pos }) => {
    const { line, col } = lines.linePos(pos[0]);
    return `line ${line}, column ${col}: ${message}`;
  });
}

function invalid(mistakes: readonly string[]): InvalidText {
  return { kind: "invalid", mistakes };
}
