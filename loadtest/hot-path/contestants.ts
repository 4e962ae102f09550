import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { peerScorers, pickerDocument, scorersIn } from "../picker-document.ts";

/** What a document has in place of the path of the endpoints file. */
export const endpointsFileMark = "ENDPOINTS_FILE";

const root = path.join(import.meta.dirname, "..", "..");
const built = path.join(root, "dist", "main.js");

/** `serve` as users run it if `npm run build` has built it. */
export const ownCommand = [
  process.execPath,
  existsSync(built) ? built : path.join(root, "src", "main.ts"),
  "serve",
];

/** A picker that takes part. */
export interface Contestant {
  readonly name: string;
  /** Its command, before the flags that all pickers have. */
  readonly command: readonly string[];
  /** With a mark in place of the path of the endpoints file. */
  readonly document: string;
  /** True if it is machine code from its start, so that it needs little load before it is measured. */
  readonly isCompiled: boolean;
}

const discovery = { type: "file-discovery", parameters: { path: endpointsFileMark } };
const own = {
  apiVersion: "pointsman.dev/v1alpha1",
  kind: "EndpointPickerConfig",
  plugins: [discovery],
  dataLayer: { discovery: { pluginRef: "file-discovery" } },
};
const counting = { type: "concurrency-detector", parameters: { maxConcurrency: 4 } };

/** Documents that have a name. */
export const documents = {
  own: JSON.stringify(own),
  /** The default policy with four requests at a time for each endpoint; others wait. */
  queue: JSON.stringify({
    ...own,
    plugins: [discovery, counting],
    featureGates: ["flowControl"],
    flowControl: {
      saturationDetector: { pluginRef: "concurrency-detector" },
      defaultPriorityBand: { maxRequests: 20_000, defaultRequestTTL: "0s" },
    },
  }),
  peer: pickerDocument(endpointsFileMark, scorersIn(peerScorers)),
};

/** `NAME=COMMAND`, or `NAME` for this checkout; `documentOf` is by name. */
export function contestantIn(text: string, documentOf: ReadonlyMap<string, string>): Contestant {
  const at = text.indexOf("=");
  const name = at === -1 ? text : text.slice(0, at);
  const words = at === -1 ? ownCommand : text.slice(at + 1).split(" ");
  const command = words.filter((word) => word !== "");
  const [program] = command;
  if (!/^[\w.-]+$/.test(name) || program === undefined) {
    throw new Error(`--contestant ${text}: want NAME=COMMAND, or NAME for this checkout`);
  }
  if (!canRun(program)) throw new Error(`--contestant ${name}: there is no program ${program}`);
  const isOwn = at === -1;
  return {
    name,
    command,
    document: documentIn(documentOf.get(name) ?? (isOwn ? "own" : "peer")),
    isCompiled: !path.basename(program).startsWith("node"),
  };
}

/** `NAME=DOCUMENT` entries by name. */
export function documentsIn(entries: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    entries.map((entry) => {
      const at = entry.indexOf("=");
      if (at < 1) throw new Error(`--document ${entry}: want NAME=own, NAME=peer or NAME=FILE`);
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

function documentIn(name: string): string {
  if (name === "own" || name === "peer" || name === "queue") return documents[name];
  if (!existsSync(name)) throw new Error(`--document: there is no file ${name}`);
  return readFileSync(name, "utf8");
}

function canRun(program: string): boolean {
  const folders = program.includes("/") ? [""] : (process.env["PATH"] ?? "").split(":");
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
